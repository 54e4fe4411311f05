"""What one direction of one link does to a frame: refuse it, queue it, time it, delay it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from tests.lab.frame import Frame

if TYPE_CHECKING:
    from tests.lab.medium import Medium
    from tests.lab.segment import Port


SLEEPS_AFTER_S: Final = 0.1
"""A pause after which adapters that save power listen to beacons only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One direction as it is now. The delay is one way; each frame's lies within delay ± jitter."""

    rate_bytes_per_s: float | None = None
    """Ethernet bytes (IP + 14); none means no serialisation time and no queue."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss_ratio: float = 0.0
    queue_bytes: int = 512 * 1024
    """Waiting frames beyond this are dropped; the one being sent is not waiting."""
    largest_packet_bytes: int | None = None
    """IP packets above this vanish silently: a path MTU black hole."""
    wakes_s: float = 0.0
    """After a pause the radio sleeps: the next frame comes so much later, and those behind it wait for it."""
    blocked: bool = False

    def __post_init__(self) -> None:
        """Refuse what no link can be."""
        if self.rate_bytes_per_s is not None and self.rate_bytes_per_s <= 0:
            raise ValueError("a rate must be above 0 (down() stops a link)")
        if self.delay_s < 0 or not 0 <= self.jitter_s <= self.delay_s:
            raise ValueError("a delay must be 0 or more, and its jitter at most the delay")
        if not 0 <= self.loss_ratio <= 1 or self.queue_bytes < 0 or self.wakes_s < 0:
            raise ValueError(
                "loss must lie in 0..1, a queue have 0 bytes or more, and waking up take 0 s or more"
            )


@dataclass(slots=True, kw_only=True)
class Count:
    """Bytes are Ethernet bytes, as the rate counts them; `frames` counts packets on the wire."""

    offered_bytes: int = 0
    delivered_bytes: int = 0
    delivered_frames: int = 0
    dropped: dict[str, int] = field(
        default_factory=lambda: {"queue": 0, "loss": 0, "size": 0, "blocked": 0}
    )
    """Bytes by reason."""


class Pipe:
    """A tail-drop queue before a transmitter, and the frames' last due time behind it.

    `up` leads from the host at `port` to the switch, otherwise from the switch to that host.
    """

    __slots__ = (
        "airtime_s",
        "count",
        "last_due_s",
        "medium",
        "port",
        "queue",
        "queued_bytes",
        "shape",
        "up",
    )

    def __init__(self, shape: Shape, *, port: Port, up: bool, medium: Medium) -> None:
        self.shape = shape
        self.port = port
        self.up = up
        self.medium = medium
        self.queue: deque[Frame] = deque()
        self.queued_bytes = 0
        self.last_due_s = 0.0
        self.airtime_s = 0.0
        self.count = Count()

    def refusal(self, frame: Frame, *, waits: bool, random: Random) -> str | None:
        """Why this frame goes no further, or none. `waits`: it cannot be sent at once."""
        shape = self.shape
        if shape.blocked:
            return "blocked"
        if (
            shape.largest_packet_bytes is not None
            and frame.packet_bytes > shape.largest_packet_bytes
        ):
            return "size"
        if shape.loss_ratio and random.random() < shape.loss_ratio:
            return "loss"
        if waits and self.queued_bytes + frame.wire_bytes > shape.queue_bytes:
            return "queue"
        return None

    def drop(self, frame: Frame, reason: str) -> None:
        """Count a frame that ends here."""
        self.count.dropped[reason] += frame.wire_bytes

    def push(self, frame: Frame) -> None:
        """Queue a frame that was not refused."""
        self.queue.append(frame)
        self.queued_bytes += frame.wire_bytes

    def pop(self) -> Frame:
        """The frame that waited longest."""
        frame = self.queue.popleft()
        self.queued_bytes -= frame.wire_bytes
        return frame

    def due_s(self, sent_s: float, random: Random) -> float:
        """When a frame sent now arrives; never before one sent earlier, so order is kept."""
        shape = self.shape
        due_s = sent_s + shape.delay_s
        if sent_s - self.last_due_s > SLEEPS_AFTER_S:
            due_s += shape.wakes_s
        if shape.jitter_s:
            due_s += shape.jitter_s * (2.0 * random.random() - 1.0)
        self.last_due_s = max(self.last_due_s, due_s)
        return self.last_due_s
