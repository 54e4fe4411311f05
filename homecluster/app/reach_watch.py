"""Who of the members reaches whom, as they try it for a diagnosis: a connection each way, and multicast."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any, Final, TypeVar

from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.signs import LinkFailure, LinkSigns, Neighbourhood
from homecluster.errors import HomeclusterError

_LISTEN_S: Final = 4.0
_DIAL_S: Final = 6.0
_MULTICAST_S: Final = 10.0
_MOST_PCS: Final = 8
"""56 connections; larger clusters are judged by their first eight."""
_TOGETHER: Final = 16
_T = TypeVar("_T")
_R = TypeVar("_R")
Pair = tuple[Member, Member]


def reached(members: Members, everybody: Sequence[Member]) -> tuple[LinkSigns, ...]:
    """Each direction in which a connection was tried; directions that nobody could try are left out.

    A closed door counts only when it is found twice, and its PC answered the coordinator just before:
    a PC that goes to sleep meanwhile is not a firewall.
    """
    alive = [one for one in everybody if one.health is Health.ALIVE and one.address][:_MOST_PCS]
    found = _tried(members, [(a, b) for a, b in permutations(alive, 2) if b.can_be_dialled])
    closed = [pair for pair, link in found.items() if not link.opens]
    again = _tried(members, closed) if closed else {}
    sure = {pair: link for pair, link in found.items() if link.opens} | again
    return tuple(sure.values())


def _tried(members: Members, pairs: Sequence[Pair]) -> dict[Pair, LinkSigns]:
    doors = {one.node: one for _, one in pairs}
    ports = dict(
        zip(doors, _together(lambda one: _port(members, one), doors.values()), strict=True)
    )
    able = [(src, dst) for src, dst in pairs if ports[dst.node] is not None]
    told = _together(lambda pair: _dialled(members, *pair, ports[pair[1].node]), able)
    return {pair: link for pair, link in zip(able, told, strict=True) if link is not None}


def _port(members: Members, member: Member) -> int | None:
    try:
        told = members.ask(
            member.node, "reach.listen", {"address": member.address}, deadline_s=_LISTEN_S
        )
    except HomeclusterError:
        return None
    port = told.get("port")
    return port if isinstance(port, int) else None


def _dialled(members: Members, src: Member, dst: Member, port: int | None) -> LinkSigns | None:
    body = {"address": dst.address, "port": port}
    try:
        told = members.ask(src.node, "reach.dial", body, deadline_s=_DIAL_S)
    except HomeclusterError:
        return None
    return link_from(src.node, dst.node, told)


def link_from(src: NodeId, dst: NodeId, told: Mapping[str, Any]) -> LinkSigns:
    """What a member's `reach.dial` says of this direction."""
    how, is_there = str(told.get("how")), told.get("is_there")
    opens = how == "open"
    return LinkSigns(
        src=src,
        dst=dst,
        opens=opens,
        is_there=is_there if isinstance(is_there, bool) else None,
        failures=() if opens else (LinkFailure(probe="connection", kind=how),),
    )


def multicast(members: Members, everybody: Sequence[Member]) -> Neighbourhood | None:
    """How many members hear the coordinator by multicast; None where none of them can tell."""
    coordinator = next((one for one in everybody if one.is_coordinator), None)
    if coordinator is None or coordinator.address is None or not coordinator.can_be_dialled:
        return None
    others = [
        one
        for one in everybody
        if one.health is Health.ALIVE and one.can_be_dialled and one is not coordinator
    ]
    body = {"address": coordinator.address}
    told = _together(lambda one: _hears(members, one, body), others[:_MOST_PCS])
    known = [found for found in told if found is not None]
    if not known:
        return None
    return Neighbourhood(found_by_multicast=sum(known), found_one_by_one=len(known))


def _hears(members: Members, member: Member, body: Mapping[str, Any]) -> bool | None:
    try:
        found = members.ask(member.node, "reach.multicast", body, deadline_s=_MULTICAST_S).get(
            "found"
        )
    except HomeclusterError:
        return None
    return found if isinstance(found, bool) else None


def _together(do: Callable[[_T], _R], many: Iterable[_T]) -> list[_R]:
    with ThreadPoolExecutor(_TOGETHER) as threads:
        return list(threads.map(do, many))
