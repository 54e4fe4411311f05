"""Everything that can be learned about this PC without measuring it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homecluster.domain.hardware import Device, Node, WslMode
from homecluster.domain.ids import NodeId
from homecluster.inventory.nvidia import GpuReading, read_gpus
from homecluster.inventory.pcie import interconnect_of
from homecluster.inventory.software import Versions, own_versions
from homecluster.inventory.system import SystemFacts, read_system
from homecluster.inventory.wsl import read_mode

_NAME_LIMIT = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """This PC without its speeds."""

    system: SystemFacts
    gpus: GpuReading
    wsl_mode: WslMode | None
    """None: not WSL2, or not asked for."""
    versions: Versions


def take_inventory(*, thorough: bool) -> Inventory:
    """This PC now; `thorough` also runs programs (wslinfo, iperf3) that planning does not need."""
    system = read_system()
    is_wsl = thorough and system.os == "wsl2"
    return Inventory(
        system=system,
        gpus=read_gpus(),
        wsl_mode=read_mode() if is_wsl else None,
        versions=own_versions() if thorough else (),
    )


def own_node_id(hostname: str) -> NodeId:
    """The hostname as a name that the cluster document accepts."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", hostname.partition(".")[0]).strip("-._")
    return NodeId(name[:_NAME_LIMIT] or "this-pc")


def this_node(
    inventory: Inventory,
    devices: tuple[Device, ...],
    *,
    engine_versions: Versions,
    observed_at: str,
) -> Node:
    """This PC as a node with the given devices; versions of driver and engine among its own."""
    gpus = inventory.gpus
    drivers = (("nvidia driver", gpus.driver), ("cuda driver", gpus.cuda_driver))
    return Node(
        id=own_node_id(inventory.system.hostname),
        hostname=inventory.system.hostname,
        os=inventory.system.os,
        ram_bytes=inventory.system.ram_total_bytes,
        cpu_cores=inventory.system.cpu_cores,
        devices=devices,
        interconnect=interconnect_of(gpus.gpus),
        wsl_mode=inventory.wsl_mode,
        addresses=inventory.system.addresses,
        versions=(
            *inventory.versions,
            *((name, version) for name, version in drivers if version),
            *engine_versions,
        ),
        observed_at=observed_at,
    )
