"""Where a member's coordinator may be: addresses as they are remembered, written and dialled."""

from __future__ import annotations

import os
from dataclasses import replace

from homecluster.store.cluster_state import MAX_ADDRESSES, ClusterState

Address = tuple[str, int]


def with_address(state: ClusterState, address: Address) -> ClusterState:
    """`address` first, the others as they were."""
    others = tuple(one for one in state.addresses if one != address)
    return replace(state, addresses=(address, *others)[:MAX_ADDRESSES])


def url(address: Address, what: str) -> str:
    """The listener's path `what` there."""
    return f"wss://{shown(address)}/v1/{what}"


def shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def why(error: BaseException) -> str:
    """What went wrong with a connection, in the system's own few words where it said any."""
    number = getattr(getattr(error, "os_error", None), "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return str(error).split("\n", 1)[0] or type(error).__name__
