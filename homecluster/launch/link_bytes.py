"""How many bytes a network interface of this PC has carried, as the kernel counts them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CLASS_NET = Path("/sys/class/net")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkBytes:
    """Since the interface came up; with the headers of Ethernet, IP and TCP."""

    received: int
    sent: int


def read_link_bytes(interface: str, root: Path = CLASS_NET) -> LinkBytes | None:
    """None where the kernel tells none (not Linux, or the interface is gone)."""
    counters = root / interface / "statistics"
    try:
        received = int((counters / "rx_bytes").read_text())
        sent = int((counters / "tx_bytes").read_text())
    except (OSError, ValueError):
        return None
    return LinkBytes(received=received, sent=sent)
