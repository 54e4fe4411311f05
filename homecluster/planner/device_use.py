"""One way to use a device, and the most that it earns when a passed layer has a price."""

from __future__ import annotations

import math
from typing import NamedTuple


class Line(NamedTuple):
    """Seconds of one layer's decode step that it never falls below: a fixed part and one for each sequence."""

    fixed_s: float
    each_s: float

    def plus(self, fixed_s: float, each_s: float) -> Line:
        return Line(self.fixed_s + fixed_s, self.each_s + each_s)


class Use(NamedTuple):
    """One way to use a device: in a group of some size, in one number format, alone or as part of a pipeline."""

    size: int
    layers: int
    """That it has memory for."""
    lines: tuple[Line, ...]
    """Of reading and of arithmetic; the slowest counts."""
    decodes: int
    prompt_s: float
    """Of one prompt, at the largest batch."""
    besides_s: float
    """A layer's part of what no device does, for a whole request."""
    batch: float
    """At most so many at once."""

    def beats(self, other: Use) -> bool:
        """Never worse, whatever a layer is worth."""
        return (
            self.size == other.size
            and self.layers >= other.layers
            and self.batch >= other.batch
            and self.prompt_s <= other.prompt_s
            and self.besides_s <= other.besides_s
            and all(
                any(
                    mine.fixed_s <= line.fixed_s and mine.each_s <= line.each_s
                    for line in other.lines
                )
                for mine in self.lines
            )
        )

    @property
    def most_per_s(self) -> float:
        """Layers passed per second; a host that takes long for each further sequence passes most with one."""
        return min(
            max(self._passed(line, 1.0), self._passed(line, self.batch)) for line in self.lines
        )

    @property
    def alone_s(self) -> float:
        """Seconds of a request in one layer, with nobody else in it."""
        return max(self._taken_s(line, 1.0) for line in self.lines)

    def gain(self, price_s: float, rate_per_s: float) -> float:
        """The most that it can earn, if a passed layer earns `price_s` and a request in it costs 1 per second.

        Concave in the batch b, with D decodes and g = price - P - X - D A best where
        D B (D B + P) b^2 + 2 D B D A b = g D A.
        """
        most = self.layers * rate_per_s / self.size
        return max(0.0, min(self._gain(line, price_s, most) for line in self.lines))

    def _gain(self, line: Line, price_s: float, most: float) -> float:
        fixed_s, each_s = self.decodes * line.fixed_s, self.decodes * line.each_s
        spare_s = price_s - self.prompt_s - self.besides_s - fixed_s
        batch = 1.0
        if spare_s > 0 and fixed_s > 0:
            root = each_s * (each_s + self.prompt_s)
            batch = self.batch
            if root > 0:
                batch = math.sqrt((each_s * fixed_s) ** 2 + root * spare_s * fixed_s)
                batch = (batch - each_s * fixed_s) / root
        batch = min(self.batch, max(1.0, batch))
        if self._passed(line, batch) > most:
            batch = max(1.0, min(batch, self._batch_for(line, most)))
        passed = min(most, self._passed(line, batch))
        return passed * (price_s - self._taken_s(line, batch))

    def _taken_s(self, line: Line, batch: float) -> float:
        decode_s = self.decodes * (line.fixed_s + line.each_s * batch)
        return decode_s + self.prompt_s + self.besides_s

    def _passed(self, line: Line, batch: float) -> float:
        decode_s = self.decodes * (line.fixed_s + line.each_s * batch)
        busy_s = decode_s + self.prompt_s * batch
        return batch / busy_s / self.size if busy_s > 0 else math.inf

    def _batch_for(self, line: Line, passed: float) -> float:
        """The batch at which so many layers are passed per second."""
        each_s = self.decodes * line.each_s + self.prompt_s
        spare = 1 - passed * self.size * each_s
        return passed * self.size * self.decodes * line.fixed_s / spare if spare > 0 else math.inf
