"""The live cluster: what was last probed, as far as its PCs are there now."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from homecluster.agent.folder import AgentFolder
from homecluster.agent.verbs import Asked, Body
from homecluster.app.member_nodes import inventory_of
from homecluster.app.ports import Members
from homecluster.domain.hardware import Node
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.topology import Cluster
from homecluster.errors import HomeclusterError, InputError, PeerError
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.cluster_state import read_state
from homecluster.store.cluster_table import cluster_table
from homecluster.store.files import read_json, write_json

LIVE_FILE: Final = "live-cluster.json"
_ASK_S: Final = 20.0
_MOST_BYTES: Final = 512 * 1024
"""Of the whole document: an answer may have twice as much."""
_writing = threading.Lock()


def live_cluster(members: Members) -> Cluster:
    """Every living member, with its devices as they are now and the links that were measured.

    A member that was never probed is there without links; one that is gone is left out with its links.

    Raises:
        MissingError: no agent runs here, or this PC is in no cluster.
        PeerError: the coordinator cannot be reached.
    """
    everybody = members.members()
    alive = [one.node for one in everybody if one.health is Health.ALIVE]
    kept = _kept(members, everybody)
    nodes = tuple(_now(members, name, kept) for name in alive)
    present = {node.id for node in nodes}
    links = tuple(link for link in kept.links if link.src in present and link.dst in present)
    return Cluster(nodes=nodes, links=links)


def keep_live_cluster(members: Members, probed: Cluster) -> None:
    """Hand what was probed to the coordinator, for everybody; what it held of other pairs stays.

    Piece by piece, since a request is small: each PC alone, then each pair with its link.

    Raises:
        PeerError: the coordinator cannot be reached.
    """
    coordinator = _coordinator(members.members())
    for piece in pieces(probed):
        body = {"document": cluster_table(piece)}
        members.ask(coordinator, "live.keep", body, deadline_s=_ASK_S)


def pieces(cluster: Cluster) -> Iterator[Cluster]:
    """Clusters of one PC or two that together are the whole."""
    for node in cluster.nodes:
        yield Cluster(nodes=(node,))
    for one, other in combinations(cluster.nodes, 2):
        ends = {one.id, other.id}
        links = tuple(link for link in cluster.links if {link.src, link.dst} == ends)
        if links:
            yield Cluster(nodes=(one, other), links=links)


def merged_clusters(before: Cluster, now: Cluster) -> Cluster:
    """`now`, and of `before` what `now` says nothing about."""
    seen = {node.id for node in now.nodes}
    pairs = {frozenset((link.src, link.dst)) for link in now.links}
    return replace(
        now,
        nodes=(*(node for node in before.nodes if node.id not in seen), *now.nodes),
        links=(
            *(link for link in before.links if frozenset((link.src, link.dst)) not in pairs),
            *now.links,
        ),
    )


def _now(members: Members, name: NodeId, kept: Cluster) -> Node:
    """As it tells now; as it was last probed where it does not answer."""
    try:
        return inventory_of(members, name)
    except PeerError:
        before = next((node for node in kept.nodes if node.id == name), None)
        if before is None:
            raise
        return before


def _kept(members: Members, everybody: tuple[Member, ...]) -> Cluster:
    answer = members.ask(_coordinator(everybody), "live.read", {}, deadline_s=_ASK_S)
    document = answer.get("document")
    return Cluster(nodes=()) if document is None else _parsed(document)


def _coordinator(everybody: tuple[Member, ...]) -> NodeId:
    return next(one.node for one in everybody if one.is_coordinator)


def _parsed(document: Any) -> Cluster:
    return parse_cluster(json.dumps(document), file="the live cluster", as_json=True)


def _keep(asked: Asked, body: Body) -> Body:
    """The coordinator keeps the document beside what it has, if it is one."""
    document = body.get("document")
    if not isinstance(document, Mapping):
        raise InputError("'document' is no cluster document")
    piece = _parsed(document)
    belonging = _belonging(asked, piece)
    if strangers := {node.id for node in piece.nodes} - belonging:
        raise InputError(f"{min(strangers)} is no member of this cluster")
    with _writing:
        merged = merged_clusters(_read_kept(asked), piece)
        kept = cluster_table(_only(merged, belonging))
        if len(json.dumps(kept)) > _MOST_BYTES:
            raise InputError("that is more than a home's PCs have to tell of themselves")
        write_json(_file(asked), kept)
    return {}


def _belonging(asked: Asked, piece: Cluster) -> set[NodeId]:
    """The PCs that this one lets in: what anybody tells of another PC is not kept."""
    state = read_state(AgentFolder(home=asked.home).state)
    if state is None:  # nobody is let in where there is no cluster: whoever asks is this very PC
        return {node.id for node in merged_clusters(_read_kept(asked), piece).nodes}
    return {asked.node, *(pin.node for pin in state.pins)}


def _only(cluster: Cluster, names: set[NodeId]) -> Cluster:
    return Cluster(
        nodes=tuple(node for node in cluster.nodes if node.id in names),
        links=tuple(link for link in cluster.links if {link.src, link.dst} <= names),
    )


def _read(asked: Asked, body: Body) -> Body:
    """What it keeps of everything that was probed; null before the first probe."""
    del body
    kept = _read_kept(asked)
    return {"document": cluster_table(kept) if kept.nodes else None}


def _read_kept(asked: Asked) -> Cluster:
    """Nothing where nothing was probed yet, or where the file is damaged: the next probe mends it."""
    path = _file(asked)
    if not path.exists():
        return Cluster(nodes=())
    try:
        return _parsed(read_json(path, "live cluster"))
    except HomeclusterError:
        return Cluster(nodes=())


def _file(asked: Asked) -> Path:
    return asked.home / LIVE_FILE


HANDLERS: Final[Mapping[str, Callable[[Asked, Body], Body]]] = {
    "live.keep": _keep,
    "live.read": _read,
}
