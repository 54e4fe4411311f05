"""How long a layer takes on one group of devices at least, for any load."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from homecluster.domain.hardware import Device
from homecluster.planner.compute import Shard
from homecluster.planner.exact.pieces import Load, Pieces

_InsideS = Callable[[tuple[Device, ...], Shard, Load], float]
"""Seconds that a group's tensor parallel sends in a step."""


class Least(NamedTuple):
    """Of one group under one load."""

    layer_s: float
    """What each layer adds."""
    head_s: float
    """What the output head takes, if it is there."""


class Pace:
    """Of one group; a group's layer is as slow as its slowest device's, and the head what that device takes for it."""

    def __init__(self, group: tuple[Device, ...], pieces: Pieces, inside_s: _InsideS) -> None:
        self._group, self._pieces, self._inside_s = group, pieces, inside_s
        self._known: dict[Load, Least] = {}

    def at(self, load: Load) -> Least:
        known = self._known.get(load)
        if known is None:
            known = self._known[load] = self._at(load)
        return known

    def _at(self, load: Load) -> Least:
        group = self._group
        middle, last = (
            Shard(layers=1, first=False, last=is_last, tensor_parallel=len(group))
            for is_last in (False, True)
        )
        sent_s = self._inside_s(group, middle, load)
        gathered_s = self._inside_s(group, last, load) - sent_s
        line = max(
            (self._pieces.line(one, last, load) for one in group), key=lambda line: line.slope_s
        )
        return Least(line.slope_s + sent_s, line.fixed_s + max(0.0, gathered_s))
