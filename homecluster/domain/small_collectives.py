"""Who carries the small messages of a tensor-parallel group over several PCs, and which messages count as small.

The planner, the launch and the code inside the engine read the same figures here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

_ALL_REDUCE_LIMIT_BYTES: Final = 128 * 1024
"""Over all ranks."""
GATHER_LIMIT_BYTES: Final = 4 * 1024 * 1024
"""A gather sends the same bytes either way; the logits of a few sequences stay below."""
MOST_RANKS: Final = 4
"""Beyond, every rank sends so many copies that a ring is no slower on home links."""


class SmallCollectives(StrEnum):
    """Who adds up and gathers small tensors of ranks on different PCs."""

    ENGINE = "engine"
    """The engine's own library: gloo on CPUs, NCCL on GPUs."""
    EXCHANGE = "exchange"
    """homecluster's exchange inside the engine: each rank sends its part to all others at once."""


def all_reduce_limit_bytes(ranks: int) -> int:
    """The largest all-reduce that counts as small: 64 KiB between two ranks, 32 KiB between four.

    Beyond, bytes count more than waiting: each rank sends n - 1 copies, the engine's ring 2 (n - 1) / n.
    """
    return _ALL_REDUCE_LIMIT_BYTES // ranks
