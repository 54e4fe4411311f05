"""Predictions after calibration beside real runs of models that were left out of it.

    python -m benchmarks.accuracy --run FOLDER      # start, measure and stop each model of the grid; resumable
    python -m benchmarks.accuracy --judge FOLDER    # median and 90th percentile, by model left out

Needs a quiet PC with an installed engine. FOLDER holds one bench document for each run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from homecluster.app.calibrate import run_of
from homecluster.app.own_devices import probed_devices
from homecluster.domain.calibration import Run
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import DeviceKind, Node
from homecluster.domain.topology import Cluster
from homecluster.inventory.collect import take_inventory, this_node
from homecluster.planner.calibration import Origin, corrected, fit
from homecluster.planner.estimate import Estimator
from homecluster.wiring import paths

MODELS: Final = ("distilgpt2", "gpt2", "gpt2-medium", "qwen2.5-0.5b", "smollm2-135m")
LOADS: Final = (
    ("1", "32", "64"),
    ("4", "32", "64"),
    ("16", "32", "64"),
    ("1", "256", "32"),
    ("4", "256", "32"),
)
"""Requests in flight, prompt tokens, output tokens."""
_SECONDS = "30"


def main() -> None:
    match sys.argv[1:]:
        case ["--run", folder]:
            run(Path(folder))
        case ["--judge", folder]:
            print(judge(Path(folder)))
        case _:
            raise SystemExit(__doc__)


def run(folder: Path) -> None:
    """Every run of the grid that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        missing = [load for load in LOADS if not _file(folder, model, load).exists()]
        if not missing:
            continue
        _homecluster(
            "up", "--model", model, "--random-weights", "--detach",
            "--concurrency", "16", "--max-model-len", "512",
        )  # fmt: skip
        try:
            for load in missing:
                requests, prompt, output = load
                document = _homecluster(
                    "bench", "--json", "--concurrency", requests, "--prompt-tokens", prompt,
                    "--output-tokens", output, "--seconds", _SECONDS,
                )  # fmt: skip
                _file(folder, model, load).write_text(document, encoding="utf-8")
        finally:
            _homecluster("down")


def judge(folder: Path) -> str:
    """Errors of each model's runs after calibration on all others'."""
    records: defaultdict[str, list[Run]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        records[path.stem.split("~")[0]].append(run_of(json.loads(path.read_text())))
    node = _node()
    lines: list[str] = []
    everything: list[float] = []
    for model, runs in records.items():
        others = [one for name, found in records.items() if name != model for one in found]
        errors = sorted(_errors(node, others, runs))
        everything += errors
        lines.append(f"{model:16} {_said(errors)}")
    return "\n".join([*lines, f"{'all':16} {_said(sorted(everything))}"])


def _said(errors: Sequence[float]) -> str:
    """Of sorted errors."""
    if not errors:
        return "no runs"
    nine_tenths = errors[min(len(errors) - 1, len(errors) * 9 // 10)]
    return f"{len(errors):3} runs   median {errors[len(errors) // 2]:6.1%}   90 % within {nine_tenths:6.1%}"


def _errors(node: Node, others: Sequence[Run], runs: Sequence[Run]) -> Iterator[float]:
    """Of the time between tokens."""
    kind = DeviceKind.CPU
    found = fit(node, kind, others, Origin(fitted_at="", engine=""))
    devices = tuple(corrected(device, found) for device in node.devices)
    home = Cluster(nodes=(replace(node, devices=devices),))
    for one in runs:
        told = Estimator(home, one.spec, one.workload).estimate(one.layout)
        if isinstance(told, Estimate):
            yield abs(told.token_interval_s.mid / one.token_interval_s - 1)


def _node() -> Node:
    inventory = take_inventory(thorough=False)
    devices = tuple(device for device, _ in probed_devices(inventory, paths().devices))
    return this_node(inventory, devices, engine_versions=(), observed_at="")


def _file(folder: Path, model: str, load: Sequence[str]) -> Path:
    return folder / f"{model}~{'-'.join(load)}.json"


def _homecluster(*arguments: str) -> str:
    command = (sys.executable, "-m", "homecluster", *arguments)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
