"""Who transmits next where several directions share one transmitter (the air, or a cable's end)."""

from __future__ import annotations

from tests.lab.frame import Frame
from tests.lab.pipe import Pipe


class Medium:
    """One transmitter: it sends one frame at a time, for the pipe that has had least airtime.

    A pipe that was silent starts at the airtime of the one last served, so that it neither saves
    up airtime nor waits for its past. With equal frames this is round robin.
    """

    __slots__ = ("sending", "served_airtime_s", "waiting")

    def __init__(self) -> None:
        self.waiting: list[Pipe] = []
        self.sending: tuple[Pipe, Frame] | None = None
        self.served_airtime_s = 0.0

    def enqueue(self, pipe: Pipe, frame: Frame) -> None:
        """Let a frame wait for its turn."""
        if not pipe.queue:
            pipe.airtime_s = max(pipe.airtime_s, self.served_airtime_s)
            self.waiting.append(pipe)
        pipe.push(frame)

    def send_next(self) -> float | None:
        """Seconds that the next frame occupies the transmitter; none when nothing waits."""
        waiting = self.waiting
        if not waiting:
            self.sending = None
            return None
        pipe = waiting[0] if len(waiting) == 1 else min(waiting, key=lambda each: each.airtime_s)
        waiting.remove(pipe)
        frame = pipe.pop()
        rate = pipe.shape.rate_bytes_per_s
        airtime_s = frame.wire_bytes / rate if rate else 0.0
        self.served_airtime_s = pipe.airtime_s
        pipe.airtime_s += airtime_s
        if pipe.queue:
            waiting.append(pipe)  # at the end: equals take turns
        self.sending = pipe, frame
        return airtime_s
