"""The use case `this PC alone`: what this PC is, with the speeds that are known; measures and starts nothing."""

from __future__ import annotations

from datetime import UTC, datetime

from homecluster.app.own_devices import own_devices
from homecluster.domain.hardware import Device
from homecluster.domain.topology import Cluster
from homecluster.inventory.collect import Inventory, take_inventory, this_node
from homecluster.inventory.software import Versions
from homecluster.store.paths import Paths


def this_pc(paths: Paths) -> Cluster:
    """This PC alone, with measured speeds where they are kept; measures nothing and starts nothing."""
    inventory = take_inventory(thorough=False)
    return cluster_of(inventory, own_devices(inventory, paths.devices), ())


def cluster_of(
    inventory: Inventory, devices: tuple[Device, ...], engine_versions: Versions
) -> Cluster:
    """This PC alone, observed now."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    node = this_node(inventory, devices, engine_versions=engine_versions, observed_at=now)
    return Cluster(nodes=(node,))
