"""How long a job may go on when nobody who may stop it is heard any more; pure.

Times are on CLOCK_BOOTTIME (`now_s`): it runs on while a laptop sleeps, so what expired meanwhile is
ended before anything else happens.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum


class OnLoss(StrEnum):
    """What becomes of a job whose coordinator is gone."""

    STOP_AFTER = "stop_after"
    """It ends by itself once its lease has run out."""
    KEEP = "keep"
    """It goes on until someone stops it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    renewed_at_s: float
    ttl_s: float
    on_loss: OnLoss = OnLoss.STOP_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    silent_s: float
    must_stop: bool
    """False under the policy `keep`."""


def renew(lease: Lease, now_s: float) -> Lease:
    """The lease counted from now; one that ran out under `stop_after` is not revived: the job has ended."""
    if isinstance(judge(lease, now_s), Expired) and lease.on_loss is OnLoss.STOP_AFTER:
        return lease
    return replace(lease, renewed_at_s=max(now_s, lease.renewed_at_s))


def judge(lease: Lease, now_s: float) -> Held | Expired:
    """What holds now; a clock that went back (another boot) counts as run out."""
    silent_s = now_s - lease.renewed_at_s
    if 0.0 <= silent_s < lease.ttl_s:
        return Held(left_s=lease.ttl_s - silent_s)
    return Expired(silent_s=silent_s, must_stop=lease.on_loss is OnLoss.STOP_AFTER)


def boottime_s() -> float:
    """The clock that leases and tokens are counted on."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
