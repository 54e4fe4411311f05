"""Who carries the small messages of a tensor-parallel group over several PCs, and which messages count as small.

The planner, the launch and the code inside the engine read the same figures here.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

ALL_REDUCE_LIMIT_BYTES: Final = 64 * 1024
"""Beyond, bytes count more than waiting, and the engine's ring sends fewer with three ranks or more."""
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
