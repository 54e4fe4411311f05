"""The use case `probe` in a cluster: every member's devices, then every pair's link, one pair at a time."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from homecluster.app.link_watch import note_report
from homecluster.app.links import believed_links, engine_kind
from homecluster.app.member_nodes import inventory_of, node_in
from homecluster.app.ports import Members
from homecluster.domain.hardware import Node
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.topology import Cluster, Link
from homecluster.errors import HomeclusterError, InputError, PeerError
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from netprobe.report import parse_report, report_document
from netprobe.types import Report

_DEVICES_S: Final = 1200.0
_LISTEN_S: Final = 40.0
_LINK_S: Final = 120.0
_CLOSE_S: Final = 15.0
_LISTENS_FOR_S: Final = 180
_TOKEN_BYTES: Final = 32
SHARED_AIR: Final = "air"
"""One home has one access point, as far as anybody has measured: its radio links share the airtime."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A pair without a link, and why."""

    src: NodeId
    dst: NodeId
    cause: str
    """As `reach_advice.Cause`, or `failed`."""
    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedMembers:
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
            unmeasured += _half_measured(found)
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


def measure_pair(members: Members, one: Member, other: Member, *, plan: str) -> Report | Unmeasured:
    """The link between two members, dialled by whichever end can: both directions are measured either way."""
    ways = [(src, dst) for src, dst in ((one, other), (other, one)) if dst.can_be_dialled]
    if not ways:
        return Unmeasured(
            src=one.node,
            dst=other.node,
            cause="wsl-nat",
            why="both are behind NAT: neither can dial the other",
            remedy="switch one of them to WSL's mirrored mode (docs/wsl.md), or join both by a VPN and choose it with --interface.",
        )
    failed: Unmeasured | None = None
    for src, dst in ways:
        found = _dialled(members, src, dst, plan)
        if isinstance(found, Report):
            return found
        failed = failed or found
    assert failed is not None
    return failed


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


def _dialled(members: Members, src: Member, dst: Member, plan: str) -> Report | Unmeasured:
    token = secrets.token_hex(_TOKEN_BYTES)
    wants_engine = plan == "full"
    try:
        end = members.ask(
            dst.node,
            "probe.listen",
            {"token": token, "address": dst.address, "seconds": _LISTENS_FOR_S}
            | {"all_reduce": wants_engine},
            deadline_s=_LISTEN_S,
        )
        try:
            answer = members.ask(
                src.node,
                "probe.link",
                {"token": token, "address": end["address"], "port": end["port"], "plan": plan}
                | {"all_reduce": wants_engine},
                deadline_s=_LINK_S,
            )
        finally:
            with contextlib.suppress(HomeclusterError):  # it ends by itself soon after
                members.ask(dst.node, "probe.close", {"id": end["id"]}, deadline_s=_CLOSE_S)
        return _report_in(answer, src, dst)
    except HomeclusterError as error:
        return Unmeasured(
            src=src.node, dst=dst.node, cause="failed", why=error.message, remedy=error.hint or ""
        )


def _report_in(answer: Mapping[str, Any], src: Member, dst: Member) -> Report | Unmeasured:
    document = answer.get("report")
    if not isinstance(document, Mapping):
        raise PeerError(f"{src.node} answered without a report")
    try:
        report = replace(parse_report(document), src=src.node, dst=dst.node)
    except ValueError as error:
        raise PeerError(f"{src.node} answered senselessly: {error}") from error
    if report.round_trip is not None or report.throughput is not None:
        return report
    trouble = answer.get("trouble")
    if not isinstance(trouble, Mapping):
        why = report.failures[0].detail if report.failures else "nothing was measured"
        return Unmeasured(src=src.node, dst=dst.node, cause="failed", why=why, remedy="")
    return Unmeasured(
        src=src.node,
        dst=dst.node,
        cause=str(trouble.get("cause")),
        why=str(trouble.get("why")),
        remedy=str(trouble.get("remedy")),
    )


def _half_measured(report: Report) -> tuple[Unmeasured, ...]:
    """A link needs round trip and bandwidth: one of them alone is kept raw and no link."""
    lacking = [
        what
        for what, seen in (("round trip", report.round_trip), ("bandwidth", report.throughput))
        if seen is None
    ]
    if not lacking:
        return ()
    because = f": {report.failures[0].detail}" if report.failures else ""
    why = f"its {' and '.join(lacking)} could not be measured{because}"
    remedy = f"homecluster probe --between {report.src} {report.dst}"
    src, dst = NodeId(report.src), NodeId(report.dst)
    return (Unmeasured(src=src, dst=dst, cause="failed", why=why, remedy=remedy),)


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
