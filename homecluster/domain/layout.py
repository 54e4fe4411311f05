"""Which device holds which layers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from homecluster.domain.ids import DeviceId
from homecluster.domain.small_collectives import SmallCollectives


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Consecutive layers held by one tensor-parallel group."""

    layer_start: int
    layer_stop: int
    devices: tuple[DeviceId, ...]

    @property
    def layers(self) -> int:
        return self.layer_stop - self.layer_start


Copy = tuple[Stage, ...]
"""One whole model: its pipeline stages in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Whole copies of a model, each cut into pipeline stages of tensor-parallel devices."""

    engine: str
    replicas: tuple[Copy, ...]
    small_collectives: SmallCollectives = SmallCollectives.ENGINE
    """Of copies whose tensor-parallel groups lie over several PCs."""
    drafts: int = 0
    """Tokens that a step drafts by n-gram and checks, beside the one that it computes in any case."""

    def __post_init__(self) -> None:
        for copy in self.replicas:
            assert copy[0].layer_start == 0
            assert all(a.layer_stop == b.layer_start for a, b in pairwise(copy))
            assert all(stage.layers > 0 and stage.devices for stage in copy)

    @property
    def tensor_parallel(self) -> int:
        return len(self.replicas[0][0].devices)

    @property
    def pipeline_parallel(self) -> int:
        return len(self.replicas[0])

    @property
    def partition(self) -> tuple[int, ...]:
        return tuple(stage.layers for stage in self.replicas[0])

    @property
    def devices(self) -> tuple[DeviceId, ...]:
        return tuple(d for copy in self.replicas for stage in copy for d in stage.devices)
