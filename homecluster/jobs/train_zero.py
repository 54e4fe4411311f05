"""Training a model folder on a user's JSONL by DeepSpeed: one rank of as many as its environment says.

Runs inside the engine environment with the training packages beside it (`homecluster engine install --training`):

    python -m homecluster.jobs.train_zero --model FOLDER --data FILE --output DIR --settings settings.json

`settings.json`: the fields of `Settings`; the same for every rank. Progress goes to stderr, one JSON document to
stdout, both of rank 0 only, which alone writes below `--output`. Exit codes are those of `homecluster.errors`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from homecluster.errors import HomeclusterError, InputError, MissingError
from homecluster.jobs import train_checkpoints, train_state
from homecluster.jobs.train_data import (
    Sample,
    hold_out,
    sample_of,
)
from homecluster.jobs.train_engine import Settings, make_engine, one_step
from homecluster.jobs.train_loss import score
from homecluster.jobs.train_ranks import Ranks, leave, meet, ranks_from, tell_from_first
from homecluster.store.train_rows import read_rows

SCHEMA: Final = "homecluster.training/1"
CHECKPOINTS: Final = "checkpoints"
MODEL: Final = "model"
ADAPTER: Final = "adapter"
_STATE_FILE: Final = "state.pt"
_WARM_UP_STEPS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Data:
    learned_from: tuple[Sample, ...]
    judging: tuple[Sample, ...]


def train(
    model_folder: Path, data: Path, output: Path, settings: Settings, ranks: Ranks, *, resume: bool
) -> dict[str, Any]:
    """The document of a finished run.

    Raises:
        InputError: the data is wrong, or the output holds another run's checkpoints.
        MissingError: a checkpoint cannot be written; the one before is intact.
    """
    begun = train_checkpoints.newest(output / CHECKPOINTS) if ranks.rank == 0 else None
    if begun is not None and not resume:
        raise InputError(
            f"{output} holds a training that reached step {begun}",
            hint="go on with --resume, or name another --output.",
        )
    rows, tokenizer = _rows(model_folder, data, settings)
    steps = settings.steps or -(-len(rows.learned_from) // settings.batch)
    meet(ranks)
    engine = make_engine(model_folder, settings, ranks)
    first = _go_on(engine, output, begun, ranks)
    at_once = min(settings.micro_batches)
    before = score(engine, rows.judging, at_once) if rows.judging else None
    losses, rates = [], []
    for step in range(first, steps):
        begin = time.perf_counter()
        losses.append(one_step(engine, rows.learned_from, step, settings, ranks))
        rates.append(settings.batch / (time.perf_counter() - begin))
        _say(ranks, f"step {step + 1} of {steps}: loss {losses[-1]:.4f}, {rates[-1]:.3g} samples/s")
        if (step + 1) % settings.save_every == 0 or step + 1 == steps:
            _save(engine, output, step + 1, ranks)
    after = score(engine, rows.judging, at_once) if rows.judging else None
    _finish(engine, tokenizer, output, ranks)
    leave()
    return {
        "schema": SCHEMA,
        "method": settings.method,
        "ranks": ranks.world,
        "samples": len(rows.learned_from),
        "first_step": first,
        "steps": steps,
        "losses": losses,
        "samples_per_s": statistics.median(rates[_WARM_UP_STEPS:] or rates) if rates else None,
        "held_out": {"before": before.table(), "after": after.table()} if before and after else None,
        "model": str(output / MODEL),
    }  # fmt: skip


def _rows(model_folder: Path, data: Path, settings: Settings) -> tuple[_Data, Any]:
    from transformers import AutoTokenizer

    rows = read_rows(data)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)

    def encode(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False))

    samples = [
        sample_of(row, encode, end=tokenizer.eos_token_id, sequence_tokens=settings.sequence)
        for row in rows
    ]
    learned_from, judging = hold_out(len(samples), settings.held_out, settings.seed)
    return _Data(
        learned_from=tuple(samples[row] for row in learned_from),
        judging=tuple(samples[row] for row in judging),
    ), tokenizer


def _go_on(engine: Any, output: Path, begun: int | None, ranks: Ranks) -> int:
    """The first step to do; what rank 0 found on its disk is put into every rank."""
    import torch

    first = tell_from_first(begun or 0, ranks, engine.device)
    if first:
        state: train_state.State = {}
        if ranks.rank == 0:
            folder = train_checkpoints.path_of(output / CHECKPOINTS, first)
            state = torch.load(folder / _STATE_FILE, map_location="cpu", weights_only=True)
        train_state.restore(engine, state, first)
        _say(ranks, f"going on after step {first}")
    return first


def _save(engine: Any, output: Path, step: int, ranks: Ranks) -> None:
    import torch

    state = train_state.gather(engine)
    if ranks.rank != 0:
        return
    trained = sum(parts[train_state.WEIGHT].numel() for parts in state.values())
    train_checkpoints.save(
        output / CHECKPOINTS,
        step,
        trained * train_state.BYTES_PER_PARAMETER,
        lambda folder: torch.save(state, folder / _STATE_FILE),
    )


def _finish(engine: Any, tokenizer: Any, output: Path, ranks: Ranks) -> None:
    """A model folder that `homecluster up --model` serves; adapters are kept, and merged into it."""
    import deepspeed

    sharded = engine.zero_optimization_stage() == 3  # noqa: PLR2004 - the stage's own number
    model = engine.module
    with deepspeed.zero.GatheredParameters(list(model.parameters()), enabled=sharded):
        if ranks.rank != 0:
            return
        try:
            if hasattr(model, "merge_and_unload"):
                model.save_pretrained(output / ADAPTER)
                model = model.merge_and_unload()
            model.save_pretrained(output / MODEL)
            tokenizer.save_pretrained(output / MODEL)
        except OSError as error:
            raise MissingError(
                f"the trained model cannot be written to {output}: {error}",
                hint="free some disk space, then run it again with --resume.",
            ) from error


def _say(ranks: Ranks, line: str) -> None:
    if ranks.rank == 0:
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
    ranks = ranks_from(os.environ)
    run = partial(train, asked.model, asked.data, asked.output)
    try:
        document = run(Settings(**json.loads(asked.settings.read_text())), ranks, resume=asked.resume)  # fmt: skip
    except HomeclusterError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"  hint: {error.hint}\n")
        return error.exit_code
    if ranks.rank == 0:
        sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
