"""One rank of the training grid: many trainings in one process, since starting DeepSpeed takes longer than a cell.

Started by benchmarks/training.py on every emulated PC, inside the engine environment with the training packages.
Rank 0 reads orders from stdin, one JSON object per line: `{"settings": …}` begins a training, `{"steps": n}` does n
steps of it and answers with their seconds, with what the collectives of one step were and took, and with the number of
modules that stage 3 stops at.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import distributed

_COUNTED = (
    "all_reduce",
    "all_gather_into_tensor",
    "all_gather",
    "reduce_scatter_tensor",
    "broadcast",
    "reduce",
)


class Counted:
    """torch's collectives, each call noted; installed before DeepSpeed takes hold of them."""

    def __init__(self) -> None:
        self.notes: defaultdict[str, list[float]] = defaultdict(lambda: [0, 0, 0.0])
        for name in _COUNTED:
            setattr(distributed, name, self._noting(name, getattr(distributed, name)))

    def _noting(self, name: str, act: Any) -> Any:
        def noted(*arguments: Any, **named: Any) -> Any:
            largest = max(_bytes_of(one) for one in (*arguments, *named.values()))
            begin = time.perf_counter()
            result = act(*arguments, **named)
            note = self.notes[name]
            note[0] += 1
            note[1] += largest
            note[2] += time.perf_counter() - begin
            return result

        return noted

    def taken(self) -> dict[str, list[float]]:
        """Calls, bytes and seconds by collective since the last time."""
        notes, self.notes = dict(self.notes), defaultdict(lambda: [0, 0, 0.0])
        return notes


def _bytes_of(value: Any) -> int:
    if isinstance(value, list | tuple):
        return sum(map(_bytes_of, value))
    return value.numel() * value.element_size() if isinstance(value, torch.Tensor) else 0


def main(model: Path) -> None:
    counted = Counted()
    from homecluster.jobs.train_data import Sample  # noqa: PLC0415 - DeepSpeed comes with it, after Counted
    from homecluster.jobs.train_engine import Settings, make_engine, one_step  # noqa: PLC0415
    from homecluster.jobs.train_ranks import leave, meet, ranks_from  # noqa: PLC0415

    ranks = ranks_from(os.environ)
    meet(ranks)
    engine: Any = None
    while (order := _next_order(ranks.rank)) is not None:
        if "settings" in order:
            engine, settings = None, Settings(**order["settings"])
            engine, done = make_engine(model, settings, ranks), 0
            tokens = tuple(1 + place % 500 for place in range(settings.sequence))
            samples = [Sample(tokens=tokens, labels=tokens)] * settings.batch
            continue
        step_s = []
        for _ in range(order["steps"]):
            counted.taken()
            begin = time.perf_counter()
            one_step(engine, samples, done, settings, ranks)
            step_s.append(time.perf_counter() - begin)
            done += 1
        if ranks.rank == 0:
            modules = sum(1 for _ in engine.module.modules())
            answer = {"step_s": step_s, "collectives": counted.taken(), "modules": modules}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()
    leave()


def _next_order(rank: int) -> dict[str, Any] | None:
    """The line that rank 0 was given, told to all; None at the end."""
    line = sys.stdin.readline() if rank == 0 else ""
    told = [json.loads(line) if line else None]
    distributed.broadcast_object_list(told, src=0)
    return told[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
