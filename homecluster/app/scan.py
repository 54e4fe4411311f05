"""The use case `probe HOST`: measure the link to another PC and keep what is believed of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from homecluster.app.link_watch import note_report
from homecluster.app.links import believed_links, engine_kind
from homecluster.domain.hardware import Node
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster, Link
from homecluster.errors import InputError, PeerError
from homecluster.store.cluster_document import load_cluster
from homecluster.store.cluster_table import cluster_table
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from netprobe.report import report_document
from netprobe.runner import probe
from netprobe.types import Plan, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanned:
    """What a probe of one link left behind."""

    report: Report
    raw: Path
    """The measurement document, samples included."""
    believed: Path | None
    """The cluster document with both PCs and the link; None where the far PC's devices are unknown."""


async def scan(
    host: str,
    port: int,
    *,
    token: bytes | None,
    plan: Plan,
    here: Node,
    far: Node | None,
    paths: Paths,
    on_progress: Callable[[str], None],
) -> Scanned:
    """Probe the link to `host` and keep it, raw and, if `far` describes that PC, as a cluster document.

    A PC or link that the document held before is replaced; others in it stay.

    Raises:
        PeerError: nothing at all could be measured; says why.
    """
    report = await probe(host, port, token=token, plan=plan, on_progress=on_progress)
    if report.round_trip is None and report.throughput is None:
        why = report.failures[0] if report.failures else None
        raise PeerError(
            f"nothing could be measured to {host} port {port}"
            + (f": {why.kind.value.replace('_', ' ')}: {why.detail}" if why else ""),
            hint=f"on that PC type: netprobe serve --bind {host} --port {port}",
        )
    raw = paths.links / f"{report.started_at.replace(':', '')}-{report.src}-{host}.json"
    write_json(raw, report_document(report))
    note_report(paths, report, here.id, far.id if far else NodeId(host))
    if far is None:
        return Scanned(report=report, raw=raw, believed=None)
    write_json(paths.cluster, cluster_table(_merged(_known(paths.cluster), here, far, report)))
    return Scanned(report=report, raw=raw, believed=paths.cluster)


def described_node(document: Path, here: Node) -> Node:
    """The one PC that another PC's `homecluster probe --json` describes.

    Raises:
        InputError: the document holds more than one PC, or this very one.
    """
    nodes = load_cluster(document).nodes
    if len(nodes) != 1:
        raise InputError(
            f"{document} describes {len(nodes)} PCs; give what `homecluster probe --json` printed on one"
        )
    if nodes[0].id == here.id:
        raise InputError(
            f"{document} describes {here.id}, which is also this PC's name",
            hint="if two PCs really share a host name, rename one of them.",
        )
    return nodes[0]


def _known(path: Path) -> Cluster:
    return load_cluster(path) if path.exists() else Cluster(nodes=())


def _merged(known: Cluster, here: Node, far: Node, report: Report) -> Cluster:
    ends = {here.id, far.id}
    links = believed_links(report, here.id, far.id, engine_kind(here, far))
    others = tuple(node for node in known.nodes if node.id not in ends)
    kept: tuple[Link, ...] = tuple(link for link in known.links if {link.src, link.dst} != ends)
    return replace(known, nodes=(*others, here, far), links=(*kept, *links))
