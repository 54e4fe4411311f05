"""Ending a gang from any PC of its cluster, also when the process that led it is gone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.job import is_over
from homecluster.domain.member import Health
from homecluster.errors import HomeclusterError, LaunchError
from homecluster.store.gang_store import GangRecord
from homecluster.store.job_store import state_of

END_WITHIN_S: Final = 40.0
_ASK_AGAIN_S: Final = 2.0
_ANSWER_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedShare:
    node: NodeId
    share: str


def shares_of_job(members: Members, job: str) -> tuple[PlacedShare, ...]:
    """Every share of the job that lives on a member that answers."""
    found = []
    for one in members.members():
        if one.health is not Health.ALIVE:
            continue
        with suppress(HomeclusterError):
            told = members.ask(one.node, "share.list", {}, deadline_s=_ANSWER_WITHIN_S)
            found += [
                PlacedShare(node=one.node, share=str(table["share"]))
                for table in told["shares"]
                if table["job"] == job
            ]
    return tuple(found)


def shares_of_record(record: GangRecord) -> tuple[PlacedShare, ...]:
    """Those that the job's own folder names."""
    return tuple(PlacedShare(node=part.node, share=part.order.share_id) for part in record.parts)


def end_shares(members: Members, shares: Iterable[PlacedShare]) -> None:
    """Return once every one of them is over; a PC that does not answer ends its share by the lease.

    Raises:
        LaunchError: a share is not over after 40 s; names it.
    """
    placed = tuple(shares)
    if not placed:
        return
    with ThreadPoolExecutor(max_workers=len(placed)) as pool:
        left = [one for one in pool.map(lambda share: _end(members, share), placed) if one]
    if left:
        told = ", ".join(f"{one.share} on {one.node}" for one in left)
        raise LaunchError(
            f"these do not end: {told}", hint="homecluster down on that PC ends them."
        )


def _end(members: Members, placed: PlacedShare) -> PlacedShare | None:
    """None when it is over, or when its PC has none or does not answer."""
    deadline_s = time.monotonic() + END_WITHIN_S
    while time.monotonic() < deadline_s:
        body = {"share": placed.share}
        try:
            told = members.ask(placed.node, "share.stop", body, deadline_s=_ANSWER_WITHIN_S)
        except HomeclusterError:
            return None
        if is_over(state_of(told)):
            return None
        time.sleep(_ASK_AGAIN_S)
    return placed
