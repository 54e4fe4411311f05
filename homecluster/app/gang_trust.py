"""Whether the user said that everybody in the network may reach the ports of a gang that cannot be fenced."""

from __future__ import annotations

from datetime import UTC, datetime

from homecluster.errors import InputError
from homecluster.store.files import write_json
from homecluster.store.paths import Paths

_FILE = "trusted-network.json"
SCHEMA = "homecluster.trusted-network/1"


def check_trust(paths: Paths, open_on: tuple[str, ...], *, declared: bool) -> None:
    """Return when nothing is open, or the network is trusted; said once, it is remembered on this PC.

    Args:
        paths: where it is remembered.
        open_on: names of the PCs whose ports cannot be fenced.
        declared: the user says so now.

    Raises:
        InputError: ports would be open and nobody said that this is all right.
    """
    if not open_on:
        return
    file = paths.home / _FILE
    if declared:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(file, {"schema": SCHEMA, "declared_at": now})
        return
    if not file.exists():
        raise InputError(
            f"the engine's ports on {' and '.join(open_on)} would be open to everybody in your network "
            "(fencing them needs root and nft there), and who reaches them can run code",
            hint="if you trust all who use this network, say so once: --trust-network; "
            "whole copies (--replicas 2) open no ports",
        )
