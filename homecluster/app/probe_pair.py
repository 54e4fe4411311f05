"""One pair of members measured by their agents: who dials whom, and what a missing figure means."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Member
from homecluster.errors import HomeclusterError, PeerError
from netprobe.report import parse_report
from netprobe.types import Report

_LISTEN_S: Final = 40.0
_LINK_S: Final = 120.0
_CLOSE_S: Final = 15.0
_LISTENS_FOR_S: Final = 180
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmeasured:
    """A pair without a link, and why."""

    src: NodeId
    dst: NodeId
    cause: str
    """As `reach_advice.Cause`, or `failed`."""
    why: str
    remedy: str


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


def half_measured(report: Report) -> tuple[Unmeasured, ...]:
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
