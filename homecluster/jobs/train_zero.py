"""Training a model folder on a user's JSONL by DeepSpeed, on one device of this PC.

Runs inside the engine environment with the training packages beside it (`homecluster engine install --training`):

    python -m homecluster.jobs.train_zero --model FOLDER --data FILE --output DIR --settings settings.json

`settings.json`: method, sequence, batch, micro_batch, steps, save_every, lora_rank, seed, deepspeed (its
configuration). Progress goes to stderr, one JSON document to stdout. Exit codes are those of `homecluster.errors`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from homecluster.errors import HomeclusterError, InputError, MissingError
from homecluster.jobs import train_checkpoints
from homecluster.jobs.train_data import IGNORED, Sample, batch_rows, read_rows, sample_of
from homecluster.jobs.unequal_batches import loss_scale

if TYPE_CHECKING:
    import torch

SCHEMA: Final = "homecluster.training/1"
CHECKPOINTS: Final = "checkpoints"
MODEL: Final = "model"
_STATE_BYTES: Final = 18
"""Per trained parameter: 16-bit weights, fp32 weights, two moments, and some to spare."""
_WARM_UP_STEPS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    method: str
    sequence: int
    batch: int
    micro_batch: int
    steps: int | None
    """None: one epoch."""
    save_every: int
    lora_rank: int
    seed: int
    deepspeed: dict[str, Any]

    @property
    def accumulation(self) -> int:
        return self.batch // self.micro_batch


def train(
    model_folder: Path, data: Path, output: Path, settings: Settings, *, resume: bool
) -> dict[str, Any]:
    """The document of a finished run.

    Raises:
        InputError: the data is wrong, or the output holds another run's checkpoints.
        MissingError: a checkpoint cannot be written; the one before is intact.
    """
    checkpoints = output / CHECKPOINTS
    begun = train_checkpoints.newest(checkpoints)
    if begun is not None and not resume:
        raise InputError(
            f"{output} holds a training that reached step {begun}",
            hint="go on with --resume, or name another --output.",
        )
    samples, tokenizer = _samples(model_folder, data, settings)
    steps = settings.steps or -(-len(samples) // settings.batch)
    engine, model = _engine(model_folder, settings)
    first = 0
    if begun is not None:
        engine.load_checkpoint(
            str(train_checkpoints.path_of(checkpoints, begun)), load_module_strict=False
        )
        first = begun
        _say(f"going on after step {begun}")
    losses, rates = [], []
    for step in range(first, steps):
        begin = time.perf_counter()
        rows = batch_rows(len(samples), step, settings.batch, settings.seed)
        losses.append(_step(engine, [samples[row] for row in rows], settings))
        rates.append(settings.batch / (time.perf_counter() - begin))
        _say(f"step {step + 1} of {steps}: loss {losses[-1]:.4f}, {rates[-1]:.3g} samples/s")
        if (step + 1) % settings.save_every == 0 or step + 1 == steps:
            _save(engine, checkpoints, step + 1)
    finished = _finish(model, tokenizer, output, settings)
    return {
        "schema": SCHEMA,
        "method": settings.method,
        "samples": len(samples),
        "first_step": first,
        "steps": steps,
        "losses": losses,
        "samples_per_s": statistics.median(rates[_WARM_UP_STEPS:] or rates) if rates else None,
        "model": str(finished),
    }


def _samples(model_folder: Path, data: Path, settings: Settings) -> tuple[tuple[Sample, ...], Any]:
    from transformers import AutoTokenizer

    rows = read_rows(data)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    end = tokenizer.eos_token_id

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    return tuple(
        sample_of(row, encode, end=end, sequence_tokens=settings.sequence) for row in rows
    ), tokenizer


def _engine(model_folder: Path, settings: Settings) -> tuple[Any, Any]:
    """(DeepSpeed's engine, the model that it trains)."""
    import deepspeed
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(settings.seed)
    model = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32)
    model.config.use_cache = False
    if settings.method == "lora":
        from peft import LoraConfig, get_peft_model

        model = get_peft_model(
            model,
            LoraConfig(
                r=settings.lora_rank,
                lora_alpha=2 * settings.lora_rank,
                target_modules="all-linear",
                task_type="CAUSAL_LM",
                init_lora_weights=True,
            ),
        )
    _meet_oneself("nccl" if torch.cuda.is_available() else "gloo")
    engine, *_ = deepspeed.initialize(
        model=model,
        model_parameters=[p for p in model.parameters() if p.requires_grad],
        config=settings.deepspeed,
    )
    engine.train()
    return engine, model


def _meet_oneself(backend: str) -> None:
    """The process group of one that DeepSpeed wants, met over a file: no port is needed.

    Nor is a compiler: ranks that share memory would have DeepSpeed build an extension, which takes minutes on
    a busy PC; one rank has nobody to share it with.
    """
    import deepspeed

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "LOCAL_SIZE": "1"}
    os.environ |= alone | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    handle, meeting = tempfile.mkstemp(prefix="hc-meet-")
    os.close(handle)
    deepspeed.init_distributed(
        dist_backend=backend,
        auto_mpi_discovery=False,
        verbose=False,
        init_method=f"file://{meeting}",
        rank=0,
        world_size=1,
    )


def _step(engine: Any, samples: Sequence[Sample], settings: Settings) -> float:
    """One optimiser step; the mean loss over the batch's learned tokens."""
    total = max(1, sum(map(_learned, samples)))
    summed = 0.0
    for start in range(0, len(samples), settings.micro_batch):
        part = samples[start : start + settings.micro_batch]
        own = sum(map(_learned, part))
        loss = _mean_loss(engine, part)
        summed += float(loss.detach()) * own
        scale = loss_scale(own, total, 1, accumulation=settings.accumulation)
        engine.backward(loss * scale)
        engine.step()
    return summed / total


def _mean_loss(engine: Any, samples: Sequence[Sample]) -> torch.Tensor:
    """Over the learned tokens of some samples; 0 where there is none, still with a gradient."""
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
    flat = logits[:, :-1].float().reshape(-1, logits.shape[-1])
    summed = torch.nn.functional.cross_entropy(
        flat, labels[:, 1:].reshape(-1).to(device), ignore_index=IGNORED, reduction="sum"
    )
    return summed / max(1, sum(map(_learned, samples)))


def _learned(sample: Sample) -> int:
    """Tokens that the loss averages over: each is predicted from those before, so the first never counts."""
    return sum(label != IGNORED for label in sample.labels[1:])


def _save(engine: Any, checkpoints: Path, step: int) -> None:
    trained = sum(p.numel() for p in engine.module.parameters() if p.requires_grad)

    def write(folder: Path) -> None:
        engine.save_checkpoint(str(folder), exclude_frozen_parameters=True)

    train_checkpoints.save(checkpoints, step, trained * _STATE_BYTES, write)


def _finish(model: Any, tokenizer: Any, output: Path, settings: Settings) -> Path:
    """A model folder that `homecluster up --model` serves; adapters are merged into it."""
    whole = model.merge_and_unload() if settings.method == "lora" else model
    folder = output / MODEL
    try:
        whole.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    except OSError as error:
        raise MissingError(
            f"the trained model cannot be written to {folder}: {error}",
            hint="free some disk space, then run it again with --resume.",
        ) from error
    return folder


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    asked = parser.parse_args()
    try:
        settings = Settings(**json.loads(asked.settings.read_text()))
        document = train(asked.model, asked.data, asked.output, settings, resume=asked.resume)
    except HomeclusterError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"  hint: {error.hint}")
        return error.exit_code
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
