"""The table of what was seen stays small, and strangers cannot push out the cluster that is looked for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.discovery.packets import Sighting
from homecluster.discovery.peer_table import KNOWN_ROOM, MAX_PEERS, NEW_PER_S, PeerTable, noted
from tests.discovery.answers import CLUSTER, sighting

IDS = st.sampled_from([CLUSTER, "b" * 16, "c" * 16, "d" * 16])
SEEN = st.builds(
    lambda cluster, host: sighting(f"10.77.0.{host}", cluster=cluster), IDS, st.integers(1, 254)
)


def flood(table: PeerTable, count: int, *, over_s: float) -> PeerTable:
    for number in range(count):
        cluster = "".join("fedcba9876543210"[(number >> 4 * place) & 15] for place in range(16))
        forged = sighting(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", cluster=cluster)
        table = noted(table, forged, number * over_s / count)
    return table


def test_a_flood_leaves_room_for_the_known_cluster() -> None:
    table = flood(PeerTable(known=frozenset({CLUSTER})), 5000, over_s=3600.0)
    assert len(table.peers) == MAX_PEERS - KNOWN_ROOM
    table = noted(table, sighting(), 3600.0)
    assert table.of(CLUSTER) == (sighting(),)
    assert len(flood(table, 5000, over_s=3600.0).peers) <= MAX_PEERS


def test_a_known_cluster_is_never_evicted() -> None:
    table = noted(PeerTable(known=frozenset({CLUSTER})), sighting(), 0.0)
    assert flood(table, 3000, over_s=3600.0).of(CLUSTER) == (sighting(),)


def test_new_strangers_are_noted_at_a_bounded_rate() -> None:
    table = flood(PeerTable(), 2000, over_s=1.0)
    assert len(table.peers) <= 40 + NEW_PER_S + 1
    assert table.dropped == 2000 - len(table.peers)


def test_lies_about_a_known_cluster_are_bounded_too() -> None:
    table = PeerTable(known=frozenset({CLUSTER}))
    for host in range(1, 250):
        table = noted(table, sighting(f"10.77.0.{host}"), 0.0)
    assert len(table.of(CLUSTER)) == KNOWN_ROOM


def test_a_source_that_says_something_new_is_believed_anew() -> None:
    table = noted(PeerTable(), sighting(), 0.0)
    table = noted(table, sighting(port=21001), 1.0)
    assert [one.advert.port for one in table.of(CLUSTER)] == [21001]


@settings(max_examples=100)
@given(st.lists(st.tuples(SEEN, st.floats(-10, 1e6)), max_size=60))
def test_law_the_table_is_bounded_and_holds_only_what_was_seen(
    events: list[tuple[Sighting, float]],
) -> None:
    table = PeerTable(known=frozenset({CLUSTER}))
    for seen, now_s in events:
        table = noted(table, seen, now_s)
    assert len(table.peers) <= MAX_PEERS
    assert set(table.peers.values()) <= {seen for seen, _ in events}
    wanted = {seen.source for seen, _ in events if seen.advert.cluster == CLUSTER}
    assert {one.source for one in table.of(CLUSTER)} == wanted or len(wanted) > KNOWN_ROOM
