"""Training over emulated homes, measured beside predicted: `python -m benchmarks.training --homes 1gbe wifi5`.

Real DeepSpeed through the real commands: PCs join, probe and train GPT-2 124M with random weights, one core each.
A cell is one home, number of PCs, stage and method; it is appended to benchmarks/results/training.json when it is
done, and skipped when it is there already, so the grid can be run piece by piece. Needs root and the engine.
`--table` prints what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Final

from homecluster.store.paths import paths_from
from tests.cluster.pcs import Pc
from tests.lab.lab import Lab

RESULTS: Final = Path(__file__).parent / "results" / "training.json"
SCHEMA: Final = "homecluster.bench-training/1"
NAMES: Final = ("a", "b", "c")
_LIMIT_S: Final = 1200.0


def cells(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for home, pcs, method, stage in product(asked.homes, asked.pcs, asked.methods, asked.stages):
        yield {"home": home, "pcs": pcs, "method": method, "stage": stage}


def measure(cell: dict[str, Any], model: str, steps: int) -> dict[str, Any]:
    """The cell with its measured and predicted samples/s."""
    names = NAMES[: cell["pcs"]]
    environment = {"HOMECLUSTER_ENGINES": str(paths_from(os.environ).engines)}
    with (
        tempfile.TemporaryDirectory(prefix="hc-bench-") as folder,
        Lab(cell["home"], hosts=cell["pcs"], cpu_cores=dict.fromkeys(names, 1.0)) as lab,
    ):
        first, *others = (Pc(host=lab.host(name), env=environment) for name in names)
        first.create()
        for pc in others:
            joined = pc.join(first.token())
            assert joined.returncode == 0, joined.stderr
        probed = first.type("probe", "--quick", timeout_s=_LIMIT_S)
        assert probed.returncode == 0, probed.stderr
        told = first.document(
            *("up", "--train", "--model", model, "--random-weights", "--method", cell["method"]),
            *("--data", _rows(Path(folder)), "--output", Path(folder) / "out"),
            *("--sequence", "64", "--batch", "8", "--steps", str(steps), "--save-every", "1000000"),
            *("--nodes", ",".join(names), "--zero-stage", str(cell["stage"]), "--trust-network"),
            timeout_s=_LIMIT_S,
        )
    predicted = told["predicted"]["samples_per_s"]
    measured = told["measured"]["samples_per_s"]
    return {
        **cell, "model": model, "measured_samples_per_s": measured, "predicted_samples_per_s": predicted,
        "terms": told["plan"]["estimate"]["terms"], "sent_bytes": told["plan"]["estimate"]["sent_bytes"],
        "losses": told["measured"]["losses"],
    }  # fmt: skip


def _rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    words = "a row of plain words that is long enough to fill the whole sequence of a sample " * 4
    path.write_text("\n".join(json.dumps({"text": f"{number} {words}"}) for number in range(64)))
    return path


def known() -> list[dict[str, Any]]:
    if not RESULTS.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"]
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown, and the median of the errors below it."""
    lines = [
        "| home | PCs | method | stage | measured samples/s | predicted | error |",
        "|---|---|---|---|---|---|---|",
    ]
    errors = []
    for row in rows:
        measured, predicted = row["measured_samples_per_s"], row["predicted_samples_per_s"]["mid"]
        errors.append(abs(predicted / measured - 1))
        lines.append(
            f"| {row['home']} | {row['pcs']} | {row['method']} | {row['stage']} | {measured:.3g} "
            f"| {predicted:.3g} | {predicted / measured - 1:+.0%} |"
        )
    median = f"\nmedian error {statistics.median(errors):.0%}" if errors else ""
    return "\n".join(lines) + median


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", nargs="+", default=["1gbe", "wifi5", "hotspot"])
    parser.add_argument("--pcs", nargs="+", type=int, default=[2, 3])
    parser.add_argument("--methods", nargs="+", default=["full", "lora"])
    parser.add_argument("--stages", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--model", default="gpt2")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print(table(known()))
        return
    for cell in cells(asked):
        rows = known()
        if any(cell.items() <= row.items() for row in rows):
            continue
        rows.append(measure(cell, asked.model, asked.steps))
        RESULTS.parent.mkdir(parents=True, exist_ok=True)
        RESULTS.write_text(json.dumps({"schema": SCHEMA, "rows": rows}, indent=1) + "\n")
        print(table(rows[-1:]).splitlines()[2])


if __name__ == "__main__":
    main()
