"""The stages of ZeRO side by side, stage 0 being plain data parallel: `python -m homecluster.jobs.compare_zero`.

Runs inside the engine environment with the training packages. Real DeepSpeed ranks on this PC, one model, one batch.
Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from homecluster.jobs.train_trials import Trial, trained, write_rows
from homecluster.jobs.trial_models import SHAPES, make_model

SCHEMA: Final = "homecluster.zero-stages/1"
_NAMES: Final = {0: "plain data parallel", 1: "ZeRO 1", 2: "ZeRO 2", 3: "ZeRO 3"}


def compare(
    folder: Path, shape: str, stages: list[int], ranks: int, steps: int
) -> list[dict[str, Any]]:
    """One row per stage."""
    model = make_model(shape, folder)
    text = "the quick brown fox jumps over the lazy dog and runs home "
    rows = write_rows(
        folder / "rows.jsonl", [{"text": text * 4 + str(number)} for number in range(64)]
    )
    found = []
    for stage in stages:
        sys.stderr.write(f"{_NAMES[stage]}, {ranks} ranks\n")
        told = trained(
            Trial(model=model, rows=rows, output=folder / f"stage-{stage}", stage=stage,
                  ranks=ranks, steps=steps)
        )  # fmt: skip
        found.append({
            "way": _NAMES[stage], "samples_per_s": told["samples_per_s"],
            "first_loss": told["losses"][0], "last_loss": told["losses"][-1],
        })  # fmt: skip
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=sorted(SHAPES), default="gpt2")
    parser.add_argument("--stages", default="0,1,2,3")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--steps", type=int, default=8)
    asked = parser.parse_args()
    stages = [int(part) for part in asked.stages.split(",")]
    with tempfile.TemporaryDirectory(prefix="hc-zero-") as folder:
        rows = compare(Path(folder), asked.shape, stages, asked.ranks, asked.steps)
    base = rows[0]["samples_per_s"]
    for row in rows:
        row["ratio"] = row["samples_per_s"] / base
    document = {
        "schema": SCHEMA, "shape": asked.shape, "ranks": asked.ranks, "rows": rows,
        "remarks": [f"{asked.ranks} ranks share this PC's cores and memory bus; ratios are to the first row"],
    }  # fmt: skip
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
