"""Whether whoever looks after a job from another PC still does: a file that must be renewed in time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from homecluster.launch.identity import boot_id

FILE = "lease.json"
_KEPT_RATIO = 0.1
"""Of its time a lease is left as it is: replacing a file costs a slow disk 50 ms, and looks come every second."""
_UNREADABLE_S = 1.0
"""A lease that nobody can read is none: it has run out for so long."""


def write_lease(folder: Path, ttl_s: float) -> None:
    """Begin or renew the lease of the job in `folder`: it holds for `ttl_s` from now, or a tenth less.

    The clock counts a suspended PC's sleep too, and no setting of the time of day moves it.
    """
    left_s = _left_s(folder)
    if left_s is not None and (1 - _KEPT_RATIO) * ttl_s < left_s <= ttl_s:
        return
    document = {"boot_id": boot_id(), "renewed_at_s": _now_s(), "ttl_s": ttl_s}
    temporary = folder / f".{FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(document))
    temporary.replace(folder / FILE)


def overdue_s(folder: Path) -> float | None:
    """For how long the lease has run out; None while it holds, and where there is none."""
    left_s = _left_s(folder)
    return None if left_s is None or left_s >= 0 else -left_s


def _left_s(folder: Path) -> float | None:
    """For how long it holds; below 0 when it has run out; None where there is none."""
    try:
        document = json.loads((folder / FILE).read_text())
        ttl_s, renewed_at_s = float(document["ttl_s"]), float(document["renewed_at_s"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return -_UNREADABLE_S
    if document["boot_id"] != boot_id():
        return -ttl_s
    return renewed_at_s + ttl_s - _now_s()


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
