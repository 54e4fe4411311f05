"""The link watch: members note round trips now and then, and a diagnosis asks since when a link is worse."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from homecluster.domain.ids import NodeId
from homecluster.domain.signs import LinkSigns
from homecluster.errors import HomeclusterError
from homecluster.planner.change_point import Change, last_change
from homecluster.store.link_log import LinkPoint, add_point, read_points
from homecluster.store.paths import Paths
from netprobe.types import Report

if TYPE_CHECKING:
    from homecluster.agent.messages import Answer, Ask

WATCH_FILE: Final = "link-watch.log"
EVERY_S: Final = 300.0
_FIRST_S: Final = 20.0
_ECHOES: Final = 5
_ECHO_LIMIT_S: Final = 5.0
_NEWEST: Final = 500
"""Points of one link that are judged."""
log = logging.getLogger(__name__)


class Cluster(Protocol):
    """The part of the agent that the watch needs."""

    def status(self) -> Mapping[str, Any]: ...

    async def members(self) -> Mapping[str, Any]: ...

    async def ask(self, ask: Ask) -> Answer: ...


def watch_file(paths: Paths) -> Path:
    return paths.home / WATCH_FILE


async def keep_watch(
    cluster: Cluster, paths: Paths, *, first_s: float = _FIRST_S, every_s: float = EVERY_S
) -> None:
    """Until cancelled: five small echoes to every member that lives, from time to time.

    It never ends by itself: a full disk or a lost coordinator only means no point this time.
    """
    await asyncio.sleep(first_s)
    while True:
        try:
            for point in await _look(cluster):
                add_point(watch_file(paths), point)
        except (HomeclusterError, OSError, TimeoutError) as error:
            log.info("link watch: %s", error)
        await asyncio.sleep(every_s)


async def _look(cluster: Cluster) -> list[LinkPoint]:
    own = NodeId(str(cluster.status()["node"]))
    members = (await cluster.members())["members"]
    others = [
        NodeId(str(one["node"]))
        for one in members
        if not one["is_here"] and one["health"] == "alive"
    ]
    found = []
    for other in others:
        rtt_s = await _round_trip_s(cluster, other)
        if rtt_s is not None:
            found.append(LinkPoint(at=_now(), src=own, dst=other, method="agent", rtt_s=rtt_s))
    return found


async def _round_trip_s(cluster: Cluster, other: NodeId) -> float | None:
    """The shortest of a few, so that a busy PC does not look like a slow link."""
    from homecluster.agent.messages import Ask  # noqa: PLC0415 - who reads the history sends nothing

    trips = []
    for _ in range(_ECHOES):
        ask = Ask(
            id=secrets.token_hex(16),
            to=other,
            verb="agent.echo",
            body={},
            deadline_s=_ECHO_LIMIT_S,
        )
        begun_s = time.monotonic()
        answer = await cluster.ask(ask)
        if answer.error is None:
            trips.append(time.monotonic() - begun_s)
    return min(trips, default=None)


def note_report(paths: Paths, report: Report, src: NodeId, dst: NodeId) -> None:
    """Keep the few figures of a probe beside those of the watch; a full disk is no reason to fail a probe."""
    rate = report.throughput
    for a, b, bandwidth in (
        (src, dst, rate.forward_bytes_per_s if rate else None),
        (dst, src, rate.back_bytes_per_s if rate else None),
    ):
        point = LinkPoint(
            at=report.started_at,
            src=a,
            dst=b,
            method="probe",
            rtt_s=report.round_trip.p50_s if report.round_trip else None,
            bandwidth_bytes_per_s=bandwidth,
        )
        try:
            add_point(watch_file(paths), point)
        except HomeclusterError as error:
            log.info("link watch: %s", error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def with_history(links: Iterable[LinkSigns], points: Iterable[LinkPoint]) -> tuple[LinkSigns, ...]:
    """The signs with what the watch knows: since when and from what level a link got worse; pure.

    Links that only the watch knows are added.
    """
    series: dict[tuple[NodeId, NodeId, str], list[LinkPoint]] = {}
    for point in points:
        series.setdefault((point.src, point.dst, point.method), []).append(point)
    found = {(one.src, one.dst): one for one in links}
    for (src, dst, _), kept in series.items():
        link = found.get((src, dst), LinkSigns(src=src, dst=dst))
        found[src, dst] = _slower(_thinner(link, kept[-_NEWEST:]), kept[-_NEWEST:])
    return tuple(found.values())


def _slower(link: LinkSigns, points: list[LinkPoint]) -> LinkSigns:
    known = [point for point in points if point.rtt_s is not None]
    change = last_change([point.rtt_s or 0.0 for point in known])
    if change is None or change.ratio <= 1:
        return link
    return replace(
        link,
        watched_rtt_s=change.since,
        usual_rtt_s=change.before,
        worse_since=_since(known, change),
    )


def _thinner(link: LinkSigns, points: list[LinkPoint]) -> LinkSigns:
    known = [point for point in points if point.bandwidth_bytes_per_s]
    change = last_change([point.bandwidth_bytes_per_s or 0.0 for point in known])
    if change is None or change.ratio >= 1:
        return link
    return replace(
        link,
        bandwidth_bytes_per_s=link.bandwidth_bytes_per_s or change.since,
        usual_bandwidth_bytes_per_s=change.before,
        worse_since=_since(known, change),
    )


def _since(points: list[LinkPoint], change: Change) -> str:
    return points[change.index].at


def history(paths: Paths) -> tuple[LinkPoint, ...]:
    """What the watch kept on this PC."""
    return read_points(watch_file(paths))
