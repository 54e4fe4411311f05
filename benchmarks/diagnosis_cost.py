"""What `homecluster diagnose` costs the job that it watches: `python -m benchmarks.diagnosis_cost`.

Real vLLM with a GPT-2 of random weights on this PC, one request at a time. Each pair is two spans of the same
length one after the other, with one `diagnose` and without, in turns; the figure is the median ratio of
their tokens per second. `--go-on` adds pairs to those kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from homecluster.store.paths import paths_from

RESULTS = Path(__file__).parent / "results" / "diagnosis-cost.json"
_COMMAND = (sys.executable, "-m", "homecluster")
_TOKENS = 64
_WATCH_S = 4.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each half")
    parser.add_argument("--go-on", action="store_true", help="keep the pairs of before")
    asked = parser.parse_args()
    pairs = _kept() if asked.go_on else []
    with tempfile.TemporaryDirectory() as folder:
        engines = str(paths_from(os.environ).engines)
        environment = os.environ | {"HOMECLUSTER_HOME": folder, "HOMECLUSTER_ENGINES": engines}
        up = _document(
            environment, "up", "--model", "gpt2", "--random-weights", "--port", "0",
            "--prompt-tokens", "16", "--output-tokens", str(_TOKENS), "--detach",
        )  # fmt: skip
        try:
            for turn in range(asked.pairs):
                pairs.append(_pair(up, environment, asked.seconds, turn))
                _keep(pairs)
        finally:
            subprocess.run([*_COMMAND, "down", "--all"], env=environment, check=True)
    print(RESULTS.read_text())


def _keep(pairs: list[tuple[float, float]]) -> None:
    found = {
        "schema": "homecluster.diagnosis-cost/1",
        "pairs": [{"alone_tokens_per_s": a, "diagnosed_tokens_per_s": b} for a, b in pairs],
        "median_ratio": statistics.median(with_it / without for without, with_it in pairs),
    }
    RESULTS.write_text(json.dumps(found, indent=2) + "\n")


def _kept() -> list[tuple[float, float]]:
    pairs = json.loads(RESULTS.read_text())["pairs"]
    return [(one["alone_tokens_per_s"], one["diagnosed_tokens_per_s"]) for one in pairs]


def _pair(
    up: dict[str, Any], environment: dict[str, str], seconds: float, turn: int
) -> tuple[float, float]:
    """(tokens/s alone, tokens/s while it is diagnosed); every other pair in the other order."""
    _rate(up, 1.0)
    if turn % 2:
        diagnosed = _diagnosed_rate(up, environment, seconds)
        return _rate(up, seconds), diagnosed
    alone = _rate(up, seconds)
    return alone, _diagnosed_rate(up, environment, seconds)


def _diagnosed_rate(up: dict[str, Any], environment: dict[str, str], seconds: float) -> float:
    """As a person would: one diagnosis in that time, begun with it."""
    argv = [*_COMMAND, "diagnose", "--seconds", str(_WATCH_S), "--json"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        rate = _rate(up, seconds)
        told, _ = watching.communicate()
    print("named:", [cause["id"] for cause in json.loads(told)["causes"]], flush=True)
    return rate


def _rate(up: dict[str, Any], seconds: float) -> float:
    """Tokens per second of one request after the other."""
    begun_s, made = time.monotonic(), 0
    while (took_s := time.monotonic() - begun_s) < seconds:
        body = {"model": up["served_model"], "prompt": "Once", "max_tokens": _TOKENS, "ignore_eos": True}  # fmt: skip
        request = urllib.request.Request(
            f"{up['base_url']}/completions",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            made += json.load(answer)["usage"]["completion_tokens"]
    return made / took_s


def _document(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    ran = subprocess.run(
        [*_COMMAND, *arguments, "--json"], env=environment, stdout=subprocess.PIPE, check=True
    )
    table: dict[str, Any] = json.loads(ran.stdout)
    return table


if __name__ == "__main__":
    main()
