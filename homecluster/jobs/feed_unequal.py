"""The founders' data-feed experiment: one device, a hand-made equal split, and the automatic feed.

Runs inside the engine environment:

    python -m homecluster.jobs.feed_unequal --samples 700 --milliseconds 4,8,16 [--lose 1]

A sample takes its worker so many milliseconds of waiting, not of computing, so that a PC with two cores can
play three unequal ones. With `--lose N` worker N's process is killed in the middle of its second lease, as a
power cut would. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from homecluster.jobs.data_feed import DataFeed, FeedWorker, watch
from homecluster.jobs.private_ray import private_ray

SCHEMA: Final = "homecluster.data-feed/1"
MOST_SAMPLES: Final = 512
_LAST_CALL: Final = 2


def waiting(sample_s: float) -> Callable[[int, int], None]:
    """Work that takes `sample_s` per sample and no processor."""

    def work(start: int, stop: int) -> None:
        time.sleep((stop - start) * sample_s)

    return work


def falling(sample_s: float) -> Callable[[int, int], None]:
    """As `waiting`, but half through its second call the process kills itself (signal 9)."""
    calls: list[int] = []

    def work(start: int, stop: int) -> None:
        calls.append(start)
        time.sleep((stop - start) * sample_s / 2)
        if len(calls) == _LAST_CALL:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep((stop - start) * sample_s / 2)

    return work


def single(samples: int, sample_s: Sequence[float]) -> dict[str, Any]:
    """The quickest worker alone."""
    begin = time.monotonic()
    waiting(min(sample_s))(0, samples)
    return _row("single", samples, time.monotonic() - begin, sample_s)


def hand_split(samples: int, sample_s: Sequence[float]) -> dict[str, Any]:
    """Equal shares for all, side by side; the last one ends the epoch."""
    import ray

    def work(start: int, stop: int, each_s: float) -> None:
        waiting(each_s)(start, stop)

    share = ray.remote(num_cpus=0)(work)
    count = len(sample_s)
    ray.get([share.remote(0, 0, 0.0) for _ in sample_s])  # processes are up before the clock runs
    begin = time.monotonic()
    edges = [samples * i // count for i in range(count + 1)]
    ray.get([share.remote(edges[i], edges[i + 1], sample_s[i]) for i in range(count)])
    return _row("hand-split", samples, time.monotonic() - begin, sample_s)


def automatic(samples: int, sample_s: Sequence[float], lose: int | None = None) -> dict[str, Any]:
    """The feed; each worker gets what it is quick enough for."""
    import ray

    feed = ray.remote(DataFeed).options(num_cpus=0).remote(samples)
    made = ray.remote(FeedWorker).options(num_cpus=0, max_restarts=0)
    workers = {
        f"worker-{index}": made.remote(
            f"worker-{index}", feed, MOST_SAMPLES, (falling if index == lose else waiting)(each_s)
        )
        for index, each_s in enumerate(sample_s)
    }
    ray.get([worker.__ray_ready__.remote() for worker in workers.values()])
    begin = time.monotonic()
    died = watch(feed, workers)
    seconds = time.monotonic() - begin
    progress = ray.get(feed.progress.remote())
    return _row("automatic", samples, seconds, sample_s) | {
        "died": list(died),
        "missing": sum(times == 0 for times in progress["times"]),
        "repeated": sum(times > 1 for times in progress["times"]),
        "samples_of": {name: one["acknowledged"] for name, one in progress["workers"].items()},
    }


def _row(mode: str, samples: int, seconds: float, sample_s: Sequence[float]) -> dict[str, Any]:
    summed = sum(1 / each for each in sample_s)
    return {
        "mode": mode,
        "seconds": seconds,
        "samples_per_s": samples / seconds,
        "share_of_summed_speeds": samples / seconds / summed,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--milliseconds", default="4,8,16")
    parser.add_argument("--lose", type=int)
    parser.add_argument("--only", choices=("single", "hand-split", "automatic"))
    asked = parser.parse_args()
    sample_s = [float(part) / 1000 for part in asked.milliseconds.split(",")]
    modes: dict[str, Callable[[], dict[str, Any]]] = {
        "single": lambda: single(asked.samples, sample_s),
        "hand-split": lambda: hand_split(asked.samples, sample_s),
        "automatic": lambda: automatic(asked.samples, sample_s, asked.lose),
    }
    rows = []
    with private_ray(cpus=1):
        for mode, run in modes.items():
            if asked.only in (None, mode):
                sys.stderr.write(f"{mode}: {asked.samples} samples\n")
                rows.append(run())
    document = {
        "schema": SCHEMA,
        "samples": asked.samples,
        "milliseconds": [1000 * each for each in sample_s],
        "modes": rows,
    }
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
