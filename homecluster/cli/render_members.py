"""Members of a cluster as people read them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_probe import format_age
from homecluster.domain.hardware import DeviceKind, Node
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member
from homecluster.domain.units import format_bytes

_STYLES = {
    Health.ALIVE: "green",
    Health.SUSPECT: "yellow",
    Health.DEAD: "red",
    Health.LEFT: "dim",
}
_NOW_S = 3.0
_WIDE = 120
"""Columns from which a row has room for its devices; below, they have lines of their own."""


def show(members: Sequence[Member], status: Mapping[str, Any], told: Mapping[NodeId, Node]) -> None:
    """A row for each member, the coordinator first."""
    out = console()
    wide = out.width >= _WIDE
    titles = ("name", "health", "role", "address", "last seen", *(("devices",) if wide else ()), "")
    table = plain_table(*titles, folds=("devices", ""))
    for member in members:
        table.add_row(
            escape(member.name),
            f"[{_STYLES[member.health]}]{member.health}[/]",
            member.role,
            escape(member.address or "-"),
            _seen(member.last_seen_s),
            *((escape(_devices(told.get(member.node))),) if wide else ()),
            _remarks(member),
        )
    out.print(table)
    for member in () if wide else members:
        out.print(f"  {escape(member.name)}: {escape(_devices(told.get(member.node)))}")
    out.print(
        f"[dim]cluster of {escape(status['cluster'])}, fingerprint {status['fingerprint']}[/]"
    )
    if status["trouble"]:
        out.say(str(status["trouble"]), "yellow")


def _devices(node: Node | None) -> str:
    """GPUs by name and memory, the CPU where there is none."""
    if node is None:
        return "-"
    cards = [one for one in node.devices if one.kind is DeviceKind.CUDA]
    counts = Counter((one.name, one.memory_total_bytes) for one in cards or node.devices)
    return ", ".join(
        f"{f'{count} x ' if count > 1 else ''}{name} {format_bytes(memory)}"
        for (name, memory), count in counts.items()
    )


def _seen(age_s: float | None) -> str:
    if age_s is None:
        return "-"
    return "now" if age_s < _NOW_S else f"{format_age(age_s)} ago"


def _remarks(member: Member) -> str:
    words = []
    if member.is_coordinator:
        words.append("coordinator")
    if member.is_here:
        words.append("this PC")
    if not member.can_be_dialled and member.last_seen_s is not None:
        words.append("behind NAT")
    return ", ".join(words)
