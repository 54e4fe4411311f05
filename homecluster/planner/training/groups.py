"""Which sets of devices are worth looking at: alone, together in a PC, together over PCs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from homecluster.domain.hardware import Device, DeviceKind, Node
from homecluster.domain.topology import Cluster

ALL_SUBSETS_UP_TO: Final = 8
"""PCs: 247 sets of two or more of eight; beyond, only the fastest n and every pair."""

Group = tuple[Device, ...]


def groups(cluster: Cluster) -> tuple[Group, ...]:
    """One device of each name alone, the like ones and all of a kind in a PC, and all of a kind over several PCs.

    A group holds one kind of device: GPUs and CPUs have no common collectives.
    """
    made: dict[Group, None] = {}
    for kind in DeviceKind:
        for node in cluster.nodes:
            made |= dict.fromkeys(_inside(node, kind))
        made |= dict.fromkeys(_over(cluster, kind))
    return tuple(made)


def _inside(node: Node, kind: DeviceKind) -> Iterator[Group]:
    held = tuple(device for device in node.devices if device.kind is kind)
    for name in {device.name: None for device in held}:
        alike = tuple(device for device in held if device.name == name)
        yield alike[:1]
        if len(alike) > 1:
            yield alike
    if len(held) > 1:
        yield held


def _over(cluster: Cluster, kind: DeviceKind) -> Iterator[Group]:
    having = [
        tuple(device for device in node.devices if device.kind is kind) for node in cluster.nodes
    ]
    having = [held for held in having if held]
    if len(having) <= ALL_SUBSETS_UP_TO:
        sizes: Iterator[tuple[Group, ...]] = (
            chosen for size in range(2, len(having) + 1) for chosen in combinations(having, size)
        )
    else:
        having.sort(key=_speed, reverse=True)
        fastest = [tuple(having[:size]) for size in range(3, len(having) + 1)]
        sizes = iter([*combinations(having, 2), *fastest])
    for chosen in sizes:
        yield tuple(device for held in chosen for device in held)


def _speed(held: Group) -> float:
    return sum(max(rate for _, rate in device.peak_flop_per_s) for device in held)
