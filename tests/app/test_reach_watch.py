"""Who reaches whom: members that cannot be asked are no closed door, and a door must be closed twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from homecluster.app.reach_watch import multicast, reached
from homecluster.domain.ids import NodeId
from homecluster.domain.signs import Neighbourhood
from homecluster.errors import PeerError
from tests.fakes.members import member

HOME = tuple(member(name, f"10.0.0.{n}", is_coordinator=n == 1) for n, name in enumerate("abc", 1))
OPEN = {"how": "open", "is_there": True}
DROPPED = {"how": "timed_out", "is_there": True}


class Home:
    """Doors by (src, dst address): what each attempt in turn finds."""

    def __init__(self, doors: Mapping[tuple[str, str], list[Any]], found: object = True) -> None:
        self._doors, self._found = doors, found

    def members(self) -> Any:
        return HOME

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        assert deadline_s > 0
        if verb == "reach.listen":
            return {"port": 17523}
        if verb == "reach.multicast":
            return {"found": self._found}
        turns = self._doors.get((node, body["address"]), [OPEN])
        told = turns.pop(0) if len(turns) > 1 else turns[0]
        if isinstance(told, Exception):
            raise told
        return told

    def tunnel(self, node: NodeId, job: str) -> str:
        raise NotImplementedError


def doors(home: Home) -> dict[tuple[str, str], bool | None]:
    return {(one.src, one.dst): one.opens for one in reached(home, HOME)}


def test_one_closed_direction_is_told_from_five_open_ones() -> None:
    found = doors(Home({("a", "10.0.0.2"): [DROPPED]}))

    assert [pair for pair, opens in found.items() if not opens] == [("a", "b")]
    assert len(found) == 6


def test_a_door_that_opens_at_the_second_try_is_open() -> None:
    assert all(doors(Home({("a", "10.0.0.2"): [DROPPED, OPEN]})).values())


@pytest.mark.parametrize("turns", [[PeerError("asleep")], [DROPPED, PeerError("asleep")]])
def test_a_pc_that_cannot_be_asked_says_nothing_of_its_doors(turns: list[Any]) -> None:
    found = doors(Home({("a", "10.0.0.2"): turns}))

    assert ("a", "b") not in found
    assert len(found) == 5


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (True, Neighbourhood(found_by_multicast=2, found_one_by_one=2)),
        (False, Neighbourhood(found_by_multicast=0, found_one_by_one=2)),
        (None, None),
        ("nonsense", None),
    ],
)
def test_only_members_that_can_tell_count_for_multicast(told: object, expected: object) -> None:
    assert multicast(Home({}, told), HOME) == expected
