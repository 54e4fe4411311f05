"""Troubles that come and go while a layout answers: harm is done, `diagnose` typed, its remedy applied."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

from benchmarks.founding_case import Home
from benchmarks.remedies import rows
from benchmarks.remedies.rows import Row
from benchmarks.remedies.world import (
    CABLE,
    HOTSPOT,
    SPAN_S,
    Way,
    asking,
    diagnosed,
    forget,
    probe,
    set_link,
)

Harm = Callable[[Home], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is done to a running job, and undone by the remedy."""

    name: str
    cause: str
    remedy: str
    harm: Harm
    probed_by: tuple[str, ...] | None = None
    """How the harmed link is measured before it is asked; None: the trouble is not the link's."""
    lasting: Harm = lambda _: nullcontext()
    """What is so before the harm and stays when it is undone."""
    by_cable: bool = False
    """The gain that is said beside the cause for an Ethernet cable."""


def link(*, up: Way = CABLE, down: Way = CABLE) -> Harm:
    @contextmanager
    def harm(at: Home) -> Iterator[None]:
        set_link(at, up=up, down=down)
        try:
            yield
        finally:
            set_link(at, up=CABLE, down=CABLE)

    return harm


@contextmanager
def short_of_quota(at: Home) -> Iterator[None]:
    at.lab.set_cpu_cores("b", 0.4)
    try:
        yield
    finally:
        at.lab.set_cpu_cores("b", 1.0)


@contextmanager
def busy(at: Home) -> Iterator[None]:
    """Another program computes on b, in the quota that makes it a PC of one core."""
    with at.b.host.running([sys.executable, "-S", "-c", "while True: pass"]):
        yield


@contextmanager
def download(at: Home) -> Iterator[None]:
    """a sends b something large."""
    send = f"sleep 1; exec iperf3 -c {at.b.host.address} -t 120"
    with (
        at.b.host.running(["iperf3", "-s"], stdout=subprocess.DEVNULL),
        at.a.host.running(["sh", "-c", send], stdout=subprocess.DEVNULL),
    ):
        time.sleep(3)
        yield


@contextmanager
def long_queues(at: Home) -> Iterator[None]:
    """A slow link, measured in full."""
    slow = Way(rate_mbit=20.0, queue_kib=1024.0)
    with link(up=slow, down=slow)(at):
        probe(at)
        yield


OVER_HOTSPOT: Final = "tensor parallel over a hotspot"
ON_HOTSPOT: Final = Trouble(
    name=OVER_HOTSPOT, cause="latency-bound-tensor-parallel", remedy="an Ethernet cable",
    harm=link(up=HOTSPOT, down=HOTSPOT), probed_by=("--quick",), by_cable=True,
)  # fmt: skip
OF_TENSOR: Final = (
    ON_HOTSPOT,
    Trouble(
        name="3 % of packets lost each way", cause="packet-loss", remedy="another cable",
        harm=link(up=Way(loss_percent=3.0), down=Way(loss_percent=3.0)), probed_by=(),
    ),
    Trouble(
        name="an uplink of 8 Mbit/s", cause="asymmetric-uplink", remedy="both ways alike",
        harm=link(up=Way(rate_mbit=8.0)), probed_by=(),
    ),
    Trouble(name="a quota of 0.4 cores", cause="cpu-quota", remedy="a quota of 1 core", harm=short_of_quota),
    Trouble(name="another program within one PC's quota", cause="cpu-quota", remedy="it ended", harm=busy),
)  # fmt: skip
OF_PIPELINE: Final = (
    Trouble(
        name="a download through long queues", cause="bufferbloat", remedy="it ended",
        harm=download, lasting=long_queues,
    ),
)  # fmt: skip


def is_kept(trouble: Trouble) -> bool:
    return rows.is_kept(trouble.name, trouble.remedy)


def applied(at: Home, trouble: Trouble) -> None:
    """One row; the link is a cable again afterwards, and known as that."""
    forget(at)
    try:
        with trouble.lasting(at):
            rows.keep(_measured(at, trouble))
    finally:
        set_link(at, up=CABLE, down=CABLE)
        forget(at)
        probe(at, "--quick")


def _measured(at: Home, trouble: Trouble) -> Row:
    with trouble.harm(at):
        if trouble.probed_by is not None:
            probe(at, *trouble.probed_by)
        with asking(at, 1) as people:
            said, before = diagnosed(at), people.settled_rate(SPAN_S)
            if trouble is ON_HOTSPOT:
                rows.keep_hotspot(said.of_hotspot(before))
    with asking(at, 1) as people:
        after = people.settled_rate(SPAN_S)
    gain = said.instead().get(trouble.remedy) if trouble.by_cable else said.gain(trouble.cause)
    return Row(
        trouble=trouble.name, named=said.named, cause=trouble.cause, remedy=trouble.remedy,
        before=before, after=after, said=gain,
    )  # fmt: skip
