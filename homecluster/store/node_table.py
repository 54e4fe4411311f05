"""Node -> its table in the cluster document; reading that back gives the same node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from homecluster.domain.hardware import Node
from homecluster.store.cluster_document import SCHEMA
from homecluster.store.device_table import device_table


def cluster_of_nodes(nodes: Iterable[Node]) -> dict[str, Any]:
    """A cluster document of these PCs without links."""
    return {"schema": SCHEMA, "nodes": {node.id: node_table(node) for node in nodes}}


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
