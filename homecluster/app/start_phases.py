"""How long each phase of a job's start took, noted as its states come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

from homecluster.domain.job import JobState, Running, Starting


class StartPhases:
    """The states of one job in order; what runs is given the phases that led there."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._begun: list[tuple[str, float]] = []

    def timed(self, state: JobState) -> JobState:
        """The state; once running with its phases, unless it brought them along."""
        match state:
            case Starting(phase=phase):
                self._begun.append((phase, self._now_s()))
            case Running(phases=()):
                return replace(state, phases=self._lasted())
            case _:
                pass
        return state

    def _lasted(self) -> tuple[tuple[str, float], ...]:
        marks = [*self._begun, ("", self._now_s())]
        return tuple(
            (phase, round(end_s - begun_s, 3)) for (phase, begun_s), (_, end_s) in pairwise(marks)
        )
