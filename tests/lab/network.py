"""All pipes, media and segments as one step function over time that the caller provides."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from random import Random

from tests.lab.frame import Frame
from tests.lab.medium import Medium
from tests.lab.pipe import Pipe
from tests.lab.segment import Port


class Network:
    """Frames go in by `receive`, time by `advance`; what `advance` returns has left the network.

    Events happen at their due time, not at the time of the call: a caller that wakes up late
    delivers late, but the rate and the order stay what they should be.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ticket = count()  # equal due times keep their order, and frames are never compared
        self._events: list[tuple[float, int, Medium | Pipe, Frame | None]] = []
        self._arrived: list[tuple[Port, Frame]] = []

    def receive(self, port: Port, frame: Frame, now_s: float) -> None:
        """Take a frame from a host. Call `advance(now_s)` before it and after it."""
        self._enter(port.up, frame, now_s)

    def advance(self, now_s: float) -> list[tuple[Port, Frame]]:
        """Let time pass; the frames for the hosts, in order."""
        events = self._events
        while events and events[0][0] <= now_s:
            due_s, _, actor, frame = heappop(events)
            if isinstance(actor, Medium):
                self._sent(actor, due_s)
            else:
                assert frame is not None
                self._leave(actor, frame, due_s)
        arrived, self._arrived = self._arrived, []
        return arrived

    def next_due_s(self) -> float | None:
        """When `advance` has something to do next; none when nothing is on the way."""
        return self._events[0][0] if self._events else None

    def _enter(self, pipe: Pipe, frame: Frame, now_s: float) -> None:
        pipe.count.offered_bytes += frame.wire_bytes
        idle = pipe.medium.sending is None
        unpaced = pipe.shape.rate_bytes_per_s is None and not pipe.queue
        reason = pipe.refusal(frame, waits=not (idle or unpaced), random=self._random)
        if reason is not None:
            pipe.drop(frame, reason)
        elif unpaced:
            self._propagate(pipe, frame, now_s)
        else:
            pipe.medium.enqueue(pipe, frame)
            if idle:
                self._send_next(pipe.medium, now_s)

    def _send_next(self, medium: Medium, now_s: float) -> None:
        airtime_s = medium.send_next()
        if airtime_s is not None:
            heappush(self._events, (now_s + airtime_s, next(self._ticket), medium, None))

    def _sent(self, medium: Medium, now_s: float) -> None:
        assert medium.sending is not None
        pipe, frame = medium.sending
        self._send_next(medium, now_s)
        self._propagate(pipe, frame, now_s)

    def _propagate(self, pipe: Pipe, frame: Frame, now_s: float) -> None:
        due_s = pipe.due_s(now_s, self._random)
        if due_s <= now_s:
            self._leave(pipe, frame, now_s)
        else:
            heappush(self._events, (due_s, next(self._ticket), pipe, frame))

    def _leave(self, pipe: Pipe, frame: Frame, now_s: float) -> None:
        if pipe.shape.blocked:
            pipe.drop(frame, "blocked")  # what was on the way when the link was cut
            return
        pipe.count.delivered_bytes += frame.wire_bytes
        pipe.count.delivered_frames += frame.packets
        if not pipe.up:
            self._arrived.append((pipe.port, frame))
            return
        for port in pipe.port.segment.targets(pipe.port, frame):
            self._enter(port.down, frame, now_s)
