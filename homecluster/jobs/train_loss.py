"""What a model makes of some samples: the loss that is learned from, and how many answers it gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homecluster.jobs.train_data import IGNORED, Sample

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """On rows that were not learned from."""

    rows: int
    right: int
    """Rows whose every learned token is the model's first choice: what greedy decoding would say."""
    tokens: int
    tokens_right: int

    def table(self) -> dict[str, float | int]:
        return {
            "rows": self.rows,
            "right": self.right,
            "accuracy": self.right / self.rows,
            "token_accuracy": self.tokens_right / max(1, self.tokens),
        }


def learned(sample: Sample) -> int:
    """Tokens that the loss averages over: each is predicted from those before, so the first never counts."""
    return sum(label != IGNORED for label in sample.labels[1:])


def mean_loss(engine: Any, samples: Sequence[Sample]) -> torch.Tensor:
    """Over the learned tokens of some samples; 0 where there is none, still with a gradient."""
    import torch

    logits, labels = _forward(engine, samples)
    summed = torch.nn.functional.cross_entropy(
        logits.float().reshape(-1, logits.shape[-1]),
        labels.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum",
    )
    return summed / max(1, sum(map(learned, samples)))


def score(engine: Any, samples: Sequence[Sample], at_once: int) -> Score:
    """Collective under ZeRO-3: every rank asks the same samples, `at_once` of them at a time."""
    import torch

    right = tokens = tokens_right = 0
    engine.eval()
    with torch.no_grad():
        for start in range(0, len(samples), at_once):
            logits, labels = _forward(engine, samples[start : start + at_once])
            counted = labels != IGNORED
            hit = (logits.argmax(-1) == labels) & counted
            right += int((hit.sum(1) == counted.sum(1)).sum())
            tokens += int(counted.sum())
            tokens_right += int(hit.sum())
    engine.train()
    return Score(rows=len(samples), right=right, tokens=tokens, tokens_right=tokens_right)


def _forward(engine: Any, samples: Sequence[Sample]) -> tuple[Any, Any]:
    """(logits of every place but the last, the token that comes next)."""
    import torch

    longest = max(len(sample.tokens) for sample in samples)
    tokens = torch.zeros(len(samples), longest, dtype=torch.long)
    labels = torch.full((len(samples), longest), IGNORED)
    mask = torch.zeros(len(samples), longest, dtype=torch.long)
    for row, sample in enumerate(samples):
        count = len(sample.tokens)
        tokens[row, :count] = torch.tensor(sample.tokens)
        labels[row, :count] = torch.tensor(sample.labels)
        mask[row, :count] = 1
    device = engine.device
    logits = engine(input_ids=tokens.to(device), attention_mask=mask.to(device)).logits
    return logits[:, :-1], labels[:, 1:].to(device)
