"""Where a frame goes: a learning switch, with what an access point holds back."""

from __future__ import annotations

from tests.lab.frame import MULTICAST, UNICAST, Frame
from tests.lab.medium import Medium
from tests.lab.pipe import Pipe, Shape


class Port:
    """A host's interface on a segment; `up` leads to the switch, `down` to the host."""

    __slots__ = ("down", "name", "segment", "up", "wireless")

    def __init__(
        self, name: str, segment: Segment, *, up: Shape, down: Shape, medium: Medium | None = None
    ) -> None:
        self.name = name
        self.segment = segment
        self.up = Pipe(up, port=self, up=True, medium=medium or Medium())
        self.down = Pipe(down, port=self, up=False, medium=medium or Medium())
        self.wireless = medium is not None
        segment.ports.append(self)

    def share(self, medium: Medium | None) -> None:
        """Send through this transmitter from now on, both ways; none: each way has its own."""
        for pipe in (self.up, self.down):
            pipe.medium = medium or Medium()
        self.wireless = medium is not None


class Segment:
    """One switch (and access point), or one virtual private network."""

    def __init__(self, *, client_isolation: bool = False, multicast_dropped: bool = False) -> None:
        self.ports: list[Port] = []
        self.places: dict[bytes, Port] = {}
        self.client_isolation = client_isolation
        self.multicast_dropped = multicast_dropped

    def targets(self, source: Port, frame: Frame) -> list[Port]:
        """The ports that get a frame from `source`; learns where its sender sits."""
        self.places[frame.source] = source
        if frame.group == UNICAST:
            place = self.places.get(frame.destination)
            if place is not None:
                return [place] if self._lets(source, place, frame) else []
        return [port for port in self.ports if self._lets(source, port, frame)]

    def _lets(self, source: Port, target: Port, frame: Frame) -> bool:
        if target is source:
            return False
        if self.client_isolation and source.wireless and target.wireless:
            return False
        through_air = source.wireless or target.wireless
        return not (self.multicast_dropped and frame.group == MULTICAST and through_air)
