"""Whether whoever looks after a job from another PC still does: a file that must be renewed in time."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from homecluster.launch.identity import boot_id

FILE = "lease.json"


def write_lease(folder: Path, ttl_s: float) -> None:
    """Begin or renew the lease of the job in `folder`: it holds for `ttl_s` from now.

    The clock counts a suspended PC's sleep too, and no setting of the time of day moves it.
    """
    document = {"boot_id": boot_id(), "renewed_at_s": _now_s(), "ttl_s": ttl_s}
    temporary = folder / f".{FILE}.{os.getpid()}"
    temporary.write_text(json.dumps(document))
    temporary.replace(folder / FILE)


def overdue_s(folder: Path) -> float | None:
    """For how long the lease has run out; None while it holds, and where there is none."""
    try:
        document = json.loads((folder / FILE).read_text())
        if document["boot_id"] != boot_id():
            return float(document["ttl_s"])
        late_s = _now_s() - float(document["renewed_at_s"]) - float(document["ttl_s"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0  # a lease that nobody can read is none
    return late_s if late_s > 0 else None


def _now_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
