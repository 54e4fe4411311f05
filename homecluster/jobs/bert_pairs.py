"""BERT learns whether two sentences say the same, under ZeRO-3: `python -m homecluster.jobs.bert_pairs`.

Runs inside the engine environment with the training packages. Random weights and made-up pairs, so nothing is
downloaded: the second sentence repeats the first in another order, or has one word exchanged. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Offload
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.jobs.train_ranks import meet, ranks_from

SCHEMA: Final = "homecluster.bert-pairs/1"
WORDS: Final = 40
LENGTH: Final = 4
_FIRST_WORD, _CLASS, _SEPARATOR = 5, 1, 2
_BATCH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    tokens: tuple[int, ...]
    same: bool


def made_up(count: int, seed: int) -> list[Pair]:
    """Half of them say the same."""
    draw = random.Random(seed)  # noqa: S311 - made-up sentences
    pairs = []
    for number in range(count):
        words = draw.sample(range(WORDS), LENGTH + 1)
        first, other = words[:LENGTH], words[LENGTH]
        second = draw.sample(first, LENGTH)
        if number % 2:
            second[draw.randrange(LENGTH)] = other
        spoken = (*(w + _FIRST_WORD for w in first), _SEPARATOR, *(w + _FIRST_WORD for w in second))
        pairs.append(Pair(tokens=(_CLASS, *spoken), same=number % 2 == 0))
    draw.shuffle(pairs)
    return pairs


def f1(told: Sequence[bool], same: Sequence[bool]) -> float:
    """Of "the same": the harmonic mean of how many told ones are right and how many right ones are told."""
    hits = sum(one and other for one, other in zip(told, same, strict=True))
    return 2 * hits / max(1, sum(told) + sum(same))


def _engine(stage: int) -> Any:
    import deepspeed
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=WORDS + _FIRST_WORD, hidden_size=128, num_hidden_layers=3, num_attention_heads=4,
            intermediate_size=256, max_position_embeddings=32, num_labels=2,
            hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    config = deepspeed_config(
        kind=DeviceKind.CPU, dtype=DType.BF16, zero_stage=stage, offload=Offload.NONE, overlap=False,
        micro_batch=_BATCH, gradient_accumulation=1, learning_rate=1e-3,
    )  # fmt: skip
    engine, *_ = deepspeed.initialize(model=model, model_parameters=model.parameters(), config=config)  # fmt: skip
    return engine


def _batches(pairs: Sequence[Pair]) -> Iterator[tuple[Any, Any]]:
    import torch

    for start in range(0, len(pairs), _BATCH):
        part = pairs[start : start + _BATCH]
        yield (
            torch.tensor([one.tokens for one in part]),
            torch.tensor([int(one.same) for one in part]),
        )


def learn(engine: Any, pairs: Sequence[Pair]) -> float:
    """One epoch; the mean loss."""
    losses = []
    for tokens, labels in _batches(pairs):
        loss = engine(input_ids=tokens, labels=labels).loss
        engine.backward(loss)
        engine.step()
        losses.append(float(loss.detach()))
    return sum(losses) / len(losses)


def judge(engine: Any, pairs: Sequence[Pair]) -> tuple[float, float]:
    """(accuracy, F1)"""
    import torch

    told: list[bool] = []
    engine.eval()
    with torch.no_grad():
        for tokens, _ in _batches(pairs):
            told += [bool(one) for one in engine(input_ids=tokens).logits.argmax(-1)]
    engine.train()
    same = [one.same for one in pairs]
    right = sum(one == other for one, other in zip(told, same, strict=True))
    return right / len(pairs), f1(told, same)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--stage", type=int, choices=(0, 1, 2, 3), default=3)
    asked = parser.parse_args()
    pairs = made_up(asked.pairs, seed=1)
    held_out, learned_from = pairs[: asked.pairs // 5], pairs[asked.pairs // 5 :]
    meet(ranks_from({}))
    engine = _engine(asked.stage)
    rows = []
    for epoch in range(1, asked.epochs + 1):
        begin = time.perf_counter()
        loss = learn(engine, learned_from)
        rate = len(learned_from) / (time.perf_counter() - begin)
        accuracy, its_f1 = judge(engine, held_out)
        sys.stderr.write(f"epoch {epoch} of {asked.epochs}: loss {loss:.4f}\n")
        rows.append({"epoch": epoch, "loss": loss, "accuracy": accuracy, "f1": its_f1, "samples_per_s": rate})  # fmt: skip
    remarks = [
        f"ZeRO stage {asked.stage} on one rank; {len(held_out)} pairs held out, half of them say the same"
    ]
    document = {"schema": SCHEMA, "stage": asked.stage, "rows": rows, "remarks": remarks}
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
