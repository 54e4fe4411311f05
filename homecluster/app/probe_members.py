"""The use case `probe` in a cluster: every member's devices, then every pair's link, one pair at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from homecluster.app.link_watch import note_report
from homecluster.app.links import believed_links, engine_kind
from homecluster.app.member_nodes import inventory_of, node_in
from homecluster.app.ports import Members
from homecluster.app.probe_pair import Unmeasured, half_measured, measure_pair
from homecluster.domain.hardware import Node
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.topology import Cluster, Link
from homecluster.errors import HomeclusterError, InputError, PeerError
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from netprobe.report import report_document
from netprobe.types import Report

_DEVICES_S: Final = 1200.0
SHARED_AIR: Final = "air"
"""One home has one access point, as far as anybody has measured: its radio links share the airtime."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedMembers:
    """What a probe of the whole cluster found, and what it could not measure."""

    cluster: Cluster
    reports: tuple[Report, ...]
    """src and dst are members' names."""
    unmeasured: tuple[Unmeasured, ...]
    silent: tuple[str, ...]
    """Members that took no part, each with its reason."""

    @property
    def exit_code(self) -> int:
        """0: everything was measured; 1: not all of it; 4: no link at all, though there are several PCs."""
        if not (self.unmeasured or self.silent):
            return 0
        return 1 if self.reports else PeerError.exit_code


def probe_members(
    members: Members,
    *,
    plan: str,
    devices: bool,
    force: bool,
    tell: Tell,
    between: tuple[str, str] | None = None,
) -> ProbedMembers:
    """Measure what is alive; trouble with one member or pair is told and the rest goes on.

    With `between` only those two PCs take part.

    Devices of all members are measured at the same time, links one after the other and only then:
    two pairs on one radio would halve each other.

    Raises:
        MissingError: no agent runs here, or this PC is in no cluster.
        InputError: `between` names a PC that is no living member.
    """
    alive = _chosen([one for one in members.members() if one.health is Health.ALIVE], between)
    nodes, silent = _nodes(members, alive, devices=devices, force=force, tell=tell)
    present = [one for one in alive if one.node in nodes]
    reports: list[Report] = []
    unmeasured: list[Unmeasured] = []
    pairs = list(combinations(present, 2))
    for number, (one, other) in enumerate(pairs, 1):
        tell(f"link {number}/{len(pairs)}: {one.node} and {other.node}")
        found = measure_pair(members, one, other, plan=plan)
        if isinstance(found, Report):
            reports.append(found)
            unmeasured += half_measured(found)
        else:
            unmeasured.append(found)
    return ProbedMembers(
        cluster=Cluster(
            nodes=tuple(nodes[one.node] for one in present), links=_links(reports, nodes)
        ),
        reports=tuple(reports),
        unmeasured=tuple(unmeasured),
        silent=tuple(silent),
    )


def keep_reports(paths: Paths, reports: Sequence[Report]) -> None:
    """Every raw measurement with its samples, one file each."""
    for report in reports:
        when = report.started_at.replace(":", "")
        write_json(paths.links / f"{when}-{report.src}-{report.dst}.json", report_document(report))
        note_report(paths, report, NodeId(report.src), NodeId(report.dst))


def _chosen(alive: list[Member], between: tuple[str, str] | None) -> list[Member]:
    if between is None:
        return alive
    known = {one.name: one for one in alive}
    for name in between:
        if name not in known:
            raise InputError(
                f"no living member is called {name!r}", hint=f"members: {', '.join(known)}"
            )
    if between[0] == between[1]:
        raise InputError(f"{between[0]} has no link to itself: name two members")
    return [known[name] for name in between]


def _nodes(
    members: Members, alive: Sequence[Member], *, devices: bool, force: bool, tell: Tell
) -> tuple[dict[NodeId, Node], list[str]]:
    def told(member: Member) -> Node | str:
        try:
            if not devices:
                return inventory_of(members, member.node)
            answer = members.ask(
                member.node, "probe.devices", {"force": force}, deadline_s=_DEVICES_S
            )
            if answer.get("missing_engine"):
                tell(f"{member.node}: devices not measured: {answer['missing_engine']}")
            return node_in(answer, member.node)
        except HomeclusterError as error:
            return f"{member.node}: {error.message}"

    tell(f"{'measuring' if devices else 'asking'} {', '.join(one.node for one in alive)}")
    with ThreadPoolExecutor(max(1, len(alive))) as threads:
        answers = list(zip(alive, threads.map(told, alive), strict=True))
    nodes = {one.node: found for one, found in answers if isinstance(found, Node)}
    return nodes, [found for _, found in answers if isinstance(found, str)]


def _links(reports: Sequence[Report], nodes: Mapping[NodeId, Node]) -> tuple[Link, ...]:
    return tuple(
        link if link.medium is None else replace(link, medium=SHARED_AIR)
        for report in reports
        for link in believed_links(
            report,
            NodeId(report.src),
            NodeId(report.dst),
            engine_kind(nodes[NodeId(report.src)], nodes[NodeId(report.dst)]),
        )
    )
