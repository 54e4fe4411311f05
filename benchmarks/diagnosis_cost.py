"""What `homecluster diagnose` costs the job that it watches: `python -m benchmarks.diagnosis_cost`.

Real vLLM with a GPT-2 of random weights on this PC, one request at a time. Spans of one length follow one
another while it answers, every other one with one `diagnose` in it, which is set against the mean of the spans
before and after it: what drifts does not count. The spans without are set against their own neighbours in the same way,
which tells how much such a ratio wanders by itself. Five pairs take under three minutes.
What was named goes to the looks at healthy homes of benchmarks.diagnosis: the machine must do nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks import diagnosis
from benchmarks.asking import Asking, askers
from benchmarks.diagnosis import PAGE, write_between
from homecluster.store.paths import paths_from

RESULTS: Final = Path(__file__).parent / "results" / "diagnosis-cost.json"
_MARKS: Final = ("<!-- diagnosis cost -->", "<!-- end of diagnosis cost -->")
_COMMAND: Final = (sys.executable, "-m", "homecluster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=9.0, help="of each span, 8 or more")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        engines = str(paths_from(os.environ).engines)
        environment = os.environ | {"HOMECLUSTER_HOME": folder, "HOMECLUSTER_ENGINES": engines}
        with _answering(environment) as people:
            people.settled_rate(max(8.0, asked.seconds))
            alone, diagnosed = _spans(people, environment, asked.pairs, max(8.0, asked.seconds))
    keep(alone, [rate for rate, _ in diagnosed])
    keep_looks([named for _, named in diagnosed])


@contextmanager
def _answering(environment: Mapping[str, str]) -> Iterator[Asking]:
    """A job with one person who asks it."""
    ran = subprocess.run(
        [*_COMMAND, "up", "--model", "gpt2", "--random-weights", "--port", "0",
         "--prompt-tokens", "16", "--output-tokens", "16", "--detach", "--json"],
        env=environment, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    try:
        port = urlsplit(json.loads(ran.stdout)["base_url"]).port
        assert port is not None
        with subprocess.Popen(
            askers(port, 1), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield Asking(process=process)
            process.kill()
    finally:
        subprocess.run([*_COMMAND, "down", "--all"], env=environment, check=True)


def _spans(
    people: Asking, environment: Mapping[str, str], pairs: int, seconds: float
) -> tuple[list[float], list[tuple[float, str | None]]]:
    """(tokens per second alone, one more than those diagnosed; each of those with what was named first)."""
    alone, diagnosed = [people.rate(seconds)], []
    for _ in range(pairs):
        diagnosed.append(_diagnosed(people, environment, seconds))
        alone.append(people.rate(seconds))
        print(f"{diagnosed[-1]} between {alone[-2]:.1f} and {alone[-1]:.1f}", flush=True)
    return alone, diagnosed


def _diagnosed(
    people: Asking, environment: Mapping[str, str], seconds: float
) -> tuple[float, str | None]:
    """As a person would: one diagnosis in that time, begun with it."""
    argv = [*_COMMAND, "diagnose", "--json"]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        rate = people.rate(seconds)
        told, _ = watching.communicate()
    return rate, diagnosis.first([str(cause["id"]) for cause in json.loads(told)["causes"]])


def keep(alone: Sequence[float], diagnosed: Sequence[float]) -> None:
    around = between(alone)
    document = {
        "schema": "homecluster.diagnosis-cost/2",
        "pairs": [
            {"alone_tokens_per_s": a, "diagnosed_tokens_per_s": b}
            for a, b in zip(around, diagnosed, strict=True)
        ],
        "alone_tokens_per_s": list(alone),
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
    said = told(document)
    write_between(PAGE, _MARKS, said)
    print(said)


def keep_looks(named: Sequence[str | None]) -> None:
    """A healthy PC with a job that answers; the first result of a look stays."""
    known = {row.where for row in diagnosis.kept_rows()}
    for number, one in enumerate(named, 1):
        where = f"a PC whose job answers, look {number}"
        if where not in known:
            diagnosis.keep(diagnosis.Row(where=where, trouble="none", expected=None, named=one))


def between(spans: Sequence[float]) -> list[float]:
    """What each gap between two spans is set against: the mean of both."""
    return [mean(pair) for pair in pairwise(spans)]


def told(document: Mapping[str, Any]) -> str:
    """The ratios, their median and spread, and how much spans without a diagnosis wander."""
    ratios = [
        one["diagnosed_tokens_per_s"] / one["alone_tokens_per_s"] for one in document["pairs"]
    ]
    alone = document["alone_tokens_per_s"]
    still = [one / mean(pair) for one, *pair in zip(alone[1:], alone, alone[2:], strict=False)]
    wander = f" {_spread(still)} where none was asked." if still else ""
    return (
        f"A span with one `diagnose` in it gave {', '.join(f'{one:.2f}' for one in ratios)} of the tokens/s of the spans "
        f"around it: median {median(ratios):.3f}, {_spread(ratios)};{wander}"
    )


def _spread(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


if __name__ == "__main__":
    main()
