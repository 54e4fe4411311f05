"""The live cluster: kept by the coordinator, seen by all, and only what is there now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from homecluster.agent.verbs import Asked
from homecluster.app.live_cluster import (
    HANDLERS,
    LIVE_FILE,
    keep_live_cluster,
    live_cluster,
    merged_clusters,
    pieces,
)
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Role
from homecluster.domain.topology import Cluster
from homecluster.errors import InputError, PeerError
from homecluster.store.cluster_table import cluster_table
from tests.builders import cluster, node
from tests.fakes.home_members import HomeMembers, member

Body = Mapping[str, Any]
A, B, C = (NodeId(name) for name in "abc")


def asked(home: Path) -> Asked:
    return Asked(home=home, node=A, asker=B, role=Role.WORKER, deadline_s=10.0)


def home_of(path: Path, **health: Health) -> HomeMembers:
    """a is the coordinator; its verbs are the real ones."""

    def inventory(name: NodeId, _: Body) -> Body:
        return {"cluster": cluster_table(cluster(node(name)))}

    return HomeMembers(
        *(
            member(name, is_coordinator=name == "a", health=health.get(name, Health.ALIVE))
            for name in "abc"
        ),
        inventory=inventory,
        live__read=lambda _, body: HANDLERS["live.read"](asked(path), body),
        live__keep=lambda _, body: HANDLERS["live.keep"](asked(path), body),
    )


def test_before_any_probe_every_member_is_there_without_links(tmp_path: Path) -> None:
    found = live_cluster(home_of(tmp_path))
    assert [one.id for one in found.nodes] == [A, B, C]
    assert found.links == ()


def test_what_was_probed_is_seen_by_all(tmp_path: Path) -> None:
    keep_live_cluster(home_of(tmp_path), cluster(node("a"), node("b")))
    found = live_cluster(home_of(tmp_path))
    assert {(one.src, one.dst) for one in found.links} == {(A, B), (B, A)}
    assert (tmp_path / LIVE_FILE).stat().st_mode & 0o077 == 0


def test_a_dead_member_is_left_out_with_its_links(tmp_path: Path) -> None:
    keep_live_cluster(home_of(tmp_path), cluster(node("a"), node("b"), node("c")))
    found = live_cluster(home_of(tmp_path, b=Health.DEAD))
    assert [one.id for one in found.nodes] == [A, C]
    assert {(one.src, one.dst) for one in found.links} == {(A, C), (C, A)}


def test_a_later_probe_of_some_keeps_what_is_known_of_the_others(tmp_path: Path) -> None:
    keep_live_cluster(home_of(tmp_path), cluster(node("a"), node("b"), node("c"), latency_s=1.0))
    keep_live_cluster(home_of(tmp_path), cluster(node("a"), node("b"), latency_s=2.0))
    found = live_cluster(home_of(tmp_path))
    assert {(one.src, one.dst): one.latency_s for one in found.links if one.src == A} == {
        (A, B): 2.0,
        (A, C): 1.0,
    }


def test_merging_with_nothing_changes_nothing() -> None:
    two = cluster(node("a"), node("b"))
    assert merged_clusters(Cluster(nodes=()), two) == two
    assert merged_clusters(two, two) == two


def test_a_damaged_file_is_as_if_nothing_was_probed(tmp_path: Path) -> None:
    (tmp_path / LIVE_FILE).write_text('{"schema": "homecluster.cluster/1", "no')
    assert live_cluster(home_of(tmp_path)).links == ()


def test_a_member_that_does_not_answer_is_as_last_probed(tmp_path: Path) -> None:
    keep_live_cluster(home_of(tmp_path), cluster(node("a"), node("b"), node("c")))
    home = home_of(tmp_path)

    def silent(_: NodeId, __: Body) -> Body:
        raise PeerError("silent")

    home.answers["inventory"] = silent
    assert len(live_cluster(home).nodes) == 3


@pytest.mark.parametrize("document", [None, 7, [], {}, {"schema": "other"}, {"nodes": 7}])
def test_what_is_no_cluster_is_not_kept(tmp_path: Path, document: object) -> None:
    with pytest.raises(InputError):
        HANDLERS["live.keep"](asked(tmp_path), {"document": document})
    assert not (tmp_path / LIVE_FILE).exists()


def test_the_pieces_are_small_and_make_the_whole() -> None:
    whole = cluster(*(node(name) for name in "abcd"))
    together = Cluster(nodes=())
    for piece in pieces(whole):
        assert len(piece.nodes) <= 2
        together = merged_clusters(together, piece)
    assert set(together.nodes) == set(whole.nodes)
    assert set(together.links) == set(whole.links)
