"""Two emulated PCs that serve GPT-2 by real vLLM, people who ask them, and `diagnose` typed meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.asking import SETTLES_S, Asking, askers
from benchmarks.founding_case import Home, home, typed
from benchmarks.remedies.rows import Hotspot
from tests.lab.control import LabError
from tests.lab.homes import home_named
from tests.lab.link import Direction

PORT: Final = 8000
SPAN_S: Final = 6.0
"""Counted for each figure; longer where tokens are seldom."""
_START_WITHIN_S: Final = 240.0
TROUBLE: Final = (AssertionError, LabError, OSError, ValueError, subprocess.SubprocessError)
"""Of one case; the next one may do better."""
_INSTEAD: Final = {
    "this layout over an Ethernet cable (1gbe)": "an Ethernet cable",
    "this layout by direct exchange": "direct exchange",
    "pipeline parallel over the PCs": "pipeline parallel",
    "a copy on each PC": "a copy on each PC",
    "one PC alone": "one PC alone",
}
"""As `diagnose` words what could be done instead -> as the table does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of b's link; as it is made, that of the home `1gbe`."""

    rate_mbit: float = 983.0
    delay_ms: float = 0.075
    loss_percent: float = 0.0
    queue_kib: float = 512.0


CABLE: Final = Way()
HOTSPOT: Final = Way(rate_mbit=20.0, delay_ms=10.0, queue_kib=128.0)


@contextmanager
def cabled_home(work: Path) -> Iterator[Home]:
    """Both PCs on cables; single packets, since a segment of 64 KiB would cross a slow link as one."""
    plan = home_named("1gbe", 2)
    whole = tuple(replace(each, gso=False) for each in plan.interfaces)
    with home(work, replace(plan, interfaces=whole)) as at:
        yield at


def set_link(at: Home, *, up: Way, down: Way) -> None:
    """b's link from now on."""
    ways: tuple[tuple[Direction, Way], ...] = (("up", up), ("down", down))
    for direction, way in ways:
        at.lab.link("b").set(
            direction=direction,
            rate_mbit=way.rate_mbit,
            delay_ms=way.delay_ms,
            loss_percent=way.loss_percent,
            queue_kib=way.queue_kib,
        )


@contextmanager
def serving(at: Home, *arguments: str) -> Iterator[None]:
    """The layout that this `up` starts, on whatever the link is now."""
    ran = at.a.type(*arguments, "--port", str(PORT), "--detach", timeout_s=_START_WITHIN_S)
    print(ran.stdout + ran.stderr, flush=True)
    try:
        assert ran.returncode == 0, "it did not start"
        yield
    finally:
        typed(at.a, "down", "--all")


@contextmanager
def asking(at: Home, count: int) -> Iterator[Asking]:
    with at.a.host.running(
        askers(PORT, count), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(SETTLES_S)
        yield Asking(process=process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One diagnosis: the document."""

    document: dict[str, Any]

    @property
    def named(self) -> str | None:
        return next((str(one["id"]) for one in self.document["causes"]), None)

    def cause(self, name: str) -> dict[str, Any] | None:
        return next((one for one in self.document["causes"] if one["id"] == name), None)

    def gain(self, name: str) -> float | None:
        """Of the remedy of that cause, tokens per second; None: it was not named."""
        cause = self.cause(name)
        return None if cause is None else float(cause["effect_tokens_per_s"])

    def instead(self) -> dict[str, float]:
        """What could be done instead -> tokens per second that it would gain."""
        judged = self.document["judged"]
        if judged is None:
            return {}
        now = float(judged["estimate"]["output_tokens_per_s"]["mid"])
        found = {}
        for cause in self.document["causes"]:
            for line in cause["evidence"]:
                label, _, then = line.removeprefix("instead: ").rpartition(": ")
                if label in _INSTEAD:
                    found[_INSTEAD[label]] = float(then.removesuffix(" tokens/s")) - now
        return found

    def of_hotspot(self, before: float) -> Hotspot:
        waits = self.cause("latency-bound-tensor-parallel")
        argv = waits["remedy"]["argv"] if waits else ()
        return Hotspot(named=self.named, before=before, said=self.instead(), argv=tuple(argv))


def diagnosed(at: Home) -> Said:
    """What `diagnose` says of the running job, printed too."""
    ran = at.a.type("diagnose", "--seconds", "3", "--json")
    assert ran.stdout, ran.stderr
    document: dict[str, Any] = json.loads(ran.stdout)
    for one in document["causes"]:
        print(one["id"], one["effect_tokens_per_s"], one["summary"], *one["evidence"], sep="\n  ")
    sys.stdout.flush()
    return Said(document=document)


def probe(at: Home, *how: str) -> None:
    typed(at.a, "probe", "--between", "a", "b", *how)


def forget(at: Home) -> None:
    """What was measured and watched of the link so far."""
    for pattern in ("links/*.json", "link-watch.log*"):
        for file in at.a.state.glob(pattern):
            file.unlink()
