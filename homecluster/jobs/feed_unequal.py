"""The founders' data-feed experiment: one device, a hand-made equal split, and the automatic feed.

Runs inside the engine environment:

    python -m homecluster.jobs.feed_unequal --samples 700 --milliseconds 4,8,16 [--kills 20]

A sample takes its worker so many milliseconds of waiting, not of computing, so that a PC with two cores can
play three unequal ones. With `--kills N` a last epoch is fed while N workers, at N random moments, are killed by
signal 9 as by a power cut, and a new one joins in the place of each. Prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from homecluster.jobs.data_feed import WAIT_S, DataFeed, FeedWorker, watch
from homecluster.jobs.private_ray import private_ray

SCHEMA: Final = "homecluster.data-feed/1"
MOST_SAMPLES: Final = 512


def waiting(sample_s: float) -> Callable[[int, int], None]:
    """Work that takes `sample_s` per sample and no processor."""

    def work(start: int, stop: int) -> None:
        time.sleep((stop - start) * sample_s)

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


def automatic(samples: int, sample_s: Sequence[float]) -> dict[str, Any]:
    """The feed; each worker gets what it is quick enough for."""
    import ray

    feed = ray.remote(DataFeed).options(num_cpus=0).remote(samples)
    workers = {f"worker-{i}": _worker(f"worker-{i}", feed, each) for i, each in enumerate(sample_s)}
    ray.get([worker.__ray_ready__.remote() for worker in workers.values()])
    begin = time.monotonic()
    watch(feed, workers)
    return _row("automatic", samples, time.monotonic() - begin, sample_s) | _counted(feed)


def killed(samples: int, sample_s: Sequence[float], kills: int, seed: int) -> dict[str, Any]:
    """The feed while workers are killed, each replaced by one of the same speed."""
    import ray

    feed = ray.remote(DataFeed).options(num_cpus=0).remote(samples)
    speeds = {f"worker-{i}": each for i, each in enumerate(sample_s)}

    def replaced(name: str) -> dict[str, Any]:
        new = f"{name}+"
        speeds[new] = speeds[name]
        return {new: _worker(new, feed, speeds[new])}

    workers = {name: _worker(name, feed, each) for name, each in speeds.items()}
    ray.get([worker.__ray_ready__.remote() for worker in workers.values()])
    chance = random.Random(seed)  # noqa: S311 - moments to kill at, no secret
    longest_s = samples / sum(1 / each for each in sample_s)
    moments_s = sorted(chance.uniform(0, longest_s) for _ in range(kills))
    killer = threading.Thread(target=_kill, args=(feed, moments_s, chance), daemon=True)
    begin = time.monotonic()
    killer.start()
    died = watch(feed, workers, replaced)
    row = _row("killed", samples, time.monotonic() - begin, sample_s) | _counted(feed)
    return row | {"died": len(died), "killed_at_s": moments_s}


def _worker(name: str, feed: Any, sample_s: float) -> Any:
    import ray

    made = ray.remote(FeedWorker).options(num_cpus=0, max_restarts=0)
    return made.remote(name, feed, MOST_SAMPLES, waiting(sample_s))


def _kill(feed: Any, moments_s: Sequence[float], chance: random.Random) -> None:
    """Signal 9 to one of the workers that live, at each of these seconds from now."""
    import ray

    begin, gone = time.monotonic(), set[int]()
    for moment_s in moments_s:
        time.sleep(max(0.0, begin + moment_s - time.monotonic()))
        while not (living := _pids(ray.get(feed.progress.remote())) - gone):
            time.sleep(WAIT_S)
        pid = chance.choice(sorted(living))
        gone.add(pid)
        os.kill(pid, signal.SIGKILL)


def _pids(progress: dict[str, Any]) -> set[int]:
    return {one["pid"] for one in progress["workers"].values()}


def _counted(feed: Any) -> dict[str, Any]:
    import ray

    progress = ray.get(feed.progress.remote())
    return {
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
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the moments to kill at")
    parser.add_argument("--only", choices=("single", "hand-split", "automatic", "killed"))
    asked = parser.parse_args()
    sample_s = [float(part) / 1000 for part in asked.milliseconds.split(",")]
    modes: dict[str, Callable[[], dict[str, Any]]] = {
        "single": lambda: single(asked.samples, sample_s),
        "hand-split": lambda: hand_split(asked.samples, sample_s),
        "automatic": lambda: automatic(asked.samples, sample_s),
    }
    if asked.kills:
        modes["killed"] = lambda: killed(asked.samples, sample_s, asked.kills, asked.seed)
    rows = []
    with private_ray(cpus=1):
        for mode, run in modes.items():
            if asked.only in (None, mode):
                sys.stderr.write(f"{mode}: {asked.samples} samples\n")
                rows.append(run())
    summed = sum(1 / each for each in sample_s)
    document = {
        "schema": SCHEMA,
        "samples": asked.samples,
        "milliseconds": [1000 * each for each in sample_s],
        "expected_gain": summed * max(sample_s) / len(sample_s),
        "modes": rows,
    }
    sys.stdout.write("\n" + json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
