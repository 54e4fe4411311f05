"""Cluster -> the cluster document; reading that back gives the same cluster."""

from __future__ import annotations

from typing import Any

from homecluster.domain.hardware import Node
from homecluster.domain.topology import Cluster, Link
from homecluster.store.cluster_document import SCHEMA
from homecluster.store.device_table import device_table


def cluster_table(cluster: Cluster) -> dict[str, Any]:
    """The document of a cluster; reading it back gives the same cluster.

    A link known in one direction only is left out: the document has no word for half a link, and the
    planner uses none either.
    """
    return {
        "schema": SCHEMA,
        "nodes": {node.id: node_table(node) for node in cluster.nodes},
        "links": [
            _link_table(link, back)
            for link in cluster.links
            if link.src < link.dst and (back := cluster.link(link.dst, link.src)) is not None
        ],
    }


def node_table(node: Node) -> dict[str, Any]:
    """What is unknown is left out."""
    table: dict[str, Any] = {
        "hostname": node.hostname,
        "os": node.os,
        "ram": f"{node.ram_bytes} B",
        "cores": node.cpu_cores,
        "addresses": list(node.addresses),
        "versions": dict(node.versions),
        "devices": [device_table(device) for device in node.devices],
    }
    if node.wsl_mode is not None:
        table["wsl_mode"] = node.wsl_mode.value
    if node.observed_at is not None:
        table["observed_at"] = node.observed_at
    if node.interconnect is not None:
        table["interconnect"] = {
            "rtt": f"{node.interconnect.rtt_s!r} s",
            "bandwidth": f"{node.interconnect.bandwidth_bytes_per_s!r} B/s",
            "provenance": node.interconnect.provenance.value,
        }
    return table


def _link_table(forward: Link, back: Link) -> dict[str, Any]:
    table: dict[str, Any] = {
        "between": [forward.src, forward.dst],
        "rtt": f"{forward.rtt_s!r} s",
        "bandwidth": {"forward": _rate(forward), "back": _rate(back)},
        "jitter": f"{forward.jitter_s!r} s",
        "loss": f"{forward.loss_ratio * 100!r} %",
        "provenance": forward.provenance.value,
    }
    if forward.medium is not None:
        table["medium"] = forward.medium
    for key, curve in (("exchange", forward.exchange), ("all_reduce", forward.all_reduce)):
        if curve:
            table[key] = {f"{size} B": f"{seconds!r} s" for size, seconds in curve}
    if forward.observed_at is not None:
        table["observed_at"] = forward.observed_at
    return table


def _rate(link: Link) -> str:
    return f"{link.bandwidth_bytes_per_s!r} B/s"
