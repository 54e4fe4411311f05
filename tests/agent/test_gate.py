"""Strangers are few and short; members come through."""

from __future__ import annotations

import socket
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.gate import Crowd
from homecluster.agent.local import COORDINATOR
from homecluster.domain.ids import NodeId
from tests.agent.town import Town


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.booleans()), max_size=80))
@settings(max_examples=60)
def test_law_the_crowd_stays_within_its_bounds_and_the_newest_is_in(
    told: list[tuple[str, bool]],
) -> None:
    crowd, inside = Crowd(per_address=3, total=10), {}
    for address, leaves in told:
        number, gone = crowd.enter(address)
        inside[number] = address
        if gone is not None:
            assert gone != number
            del inside[gone]
        assert len(crowd) == len(inside) <= 10
        assert sum(1 for one in inside.values() if one == address) <= 3
        if leaves:
            crowd.leave(number)
            del inside[number]


def test_a_crowded_address_pays_for_its_own_newcomers() -> None:
    crowd = Crowd(per_address=2, total=10)
    quiet, _ = crowd.enter("quiet")
    first, _ = crowd.enter("loud")
    crowd.enter("loud")

    assert crowd.enter("loud")[1] == first
    assert crowd.enter("quiet")[1] is None
    assert quiet != first


def test_a_hundred_silent_connections_keep_no_member_out(town: Town) -> None:
    a = town.coordinator()
    silent = [socket.create_connection(("127.0.0.1", town.port), timeout=10) for _ in range(100)]

    b = town.member("b", a)

    assert b.local.ask(NodeId("a"), "agent.echo", {"echo": 1}, deadline_s=30) == {"echo": 1}
    assert len(b.local.ask(COORDINATOR, "cluster.members", {}, deadline_s=30)["members"]) == 2
    assert closed(silent) >= 80
    for one in silent:
        one.close()


def closed(connections: list[socket.socket]) -> int:
    """How many the other side has ended; asked again for a while."""
    ends_s = time.monotonic() + 30
    while True:
        count = sum(_is_closed(one) for one in connections)
        if count >= 80 or time.monotonic() > ends_s:
            return count
        time.sleep(0.05)


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.001)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True
