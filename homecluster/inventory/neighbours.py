"""Which addresses of its own network this PC has lately heard from, below IP: who is there at all."""

from __future__ import annotations

from collections.abc import Mapping

from homecluster.inventory.host_files import ReadText, read_host_text

_COMPLETE = 0x2
_FIELDS = 6


def parse_neighbours(arp_table: str) -> Mapping[str, bool]:
    """Address -> whether it answered, from the text of /proc/net/arp; lines that make no sense are passed over."""
    found: dict[str, bool] = {}
    for line in arp_table.splitlines()[1:]:
        fields = line.split()
        if len(fields) != _FIELDS:
            continue
        try:
            flags = int(fields[2], 16)
        except ValueError:
            continue
        found[fields[0]] = bool(flags & _COMPLETE) or found.get(fields[0], False)
    return found


def read_neighbours(read: ReadText = read_host_text) -> Mapping[str, bool]:
    """This PC's; empty where the system does not tell."""
    return parse_neighbours(read("/proc/net/arp") or "")
