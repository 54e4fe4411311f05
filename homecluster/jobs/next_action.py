"""Which action comes next in a person's day: adapters tuned on more and more of a log, judged on rows held out.

    python -m homecluster.jobs.next_action --shape tiny --amounts 60,240,960

Runs inside the engine environment with the training packages. The log is made up: habits by weekday and hour, and a
whim now and then, so no model can be right every time. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.train_trials import Trial, trained, write_rows
from homecluster.jobs.trial_models import SHAPES, make_model

SCHEMA: Final = "homecluster.next-action/1"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HABITS: Final = ("wake", "read", "work", "cook", "walk", "rest")
WHIM: Final = 0.1
"""How often somebody does something else."""
HELD_OUT: Final = 0.2


def log_rows(count: int, seed: int) -> list[dict[str, str]]:
    """Rows of a log: the day, the last action, and what came next."""
    draw = random.Random(seed)  # noqa: S311 - a made-up log
    rows = []
    for _ in range(count):
        day, done = draw.randrange(len(DAYS)), draw.randrange(len(HABITS))
        later = (done + (2 if day >= 5 else 1)) % len(HABITS)  # noqa: PLR2004 - weekends run differently
        if draw.random() < WHIM:
            later = draw.randrange(len(HABITS))
        rows.append({"prompt": f"{DAYS[day]} {HABITS[done]} ", "completion": HABITS[later]})
    return rows


def accuracy_by_amount(
    folder: Path, shape: str, amounts: list[int], method: str, epochs: int
) -> list[dict[str, Any]]:
    """One row per amount of data."""
    model = make_model(shape, folder)
    found = []
    for amount in amounts:
        sys.stderr.write(f"{method} on {amount} rows\n")
        rows = write_rows(folder / f"{amount}.jsonl", log_rows(amount, seed=1))
        steps = max(1, round(amount * (1 - HELD_OUT)) * epochs // 16)
        told = trained(
            Trial(model=model, rows=rows, output=folder / f"out-{amount}", method=method, batch=16,
                  sequence=32, steps=steps, held_out=HELD_OUT, learning_rate=3e-3)
        )  # fmt: skip
        found.append({
            "rows": told["samples"], "steps": steps, "last_loss": told["losses"][-1],
            "accuracy_before": told["held_out"]["before"]["accuracy"],
            "accuracy": told["held_out"]["after"]["accuracy"],
            "samples_per_s": told["samples_per_s"],
        })  # fmt: skip
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="tiny")
    parser.add_argument("--amounts", default="60,240,960")
    parser.add_argument("--method", choices=("lora", "full"), default="lora")
    parser.add_argument("--epochs", type=int, default=6)
    asked = parser.parse_args()
    amounts = [int(part) for part in asked.amounts.split(",")]
    with tempfile.TemporaryDirectory(prefix="hc-next-") as folder:
        rows = accuracy_by_amount(Path(folder), asked.shape, amounts, asked.method, asked.epochs)
    document = {
        "schema": SCHEMA, "shape": asked.shape, "method": asked.method, "rows": rows,
        "remarks": [f"{WHIM:.0%} of the actions are whims, so nobody is right more often than about {1 - WHIM * 5 / 6:.0%}"],
    }  # fmt: skip
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
