"""One link as a test holds it: changed, cut and broken while the lab runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.lab.control import ask
from tests.lab.plan import BYTES_PER_S_PER_MBIT

Direction = Literal["up", "down", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface's link to the switch, changed while it runs. `up` is what the host sends."""

    folder: Path
    port: str

    def set(
        self,
        *,
        direction: Direction = "both",
        rate_mbit: float | None = None,
        delay_ms: float | None = None,
        jitter_ms: float | None = None,
        loss_percent: float | None = None,
        queue_kib: float | None = None,
        wakes_ms: float | None = None,
    ) -> None:
        """Change what is given; the delay is one way on this link, a round trip crosses four."""
        changes = {
            "rate_bytes_per_s": None if rate_mbit is None else rate_mbit * BYTES_PER_S_PER_MBIT,
            "delay_s": None if delay_ms is None else delay_ms / 1000,
            "jitter_s": None if jitter_ms is None else jitter_ms / 1000,
            "loss_ratio": None if loss_percent is None else loss_percent / 100,
            "queue_bytes": None if queue_kib is None else round(queue_kib * 1024),
            "wakes_s": None if wakes_ms is None else wakes_ms / 1000,
        }
        self._shape(direction, {k: v for k, v in changes.items() if v is not None})

    def share(self, medium: str | None) -> None:
        """Share the airtime of this medium with every link that names it; none: a cable of its own.

        While nothing is on its way: what waits in a queue stays with the transmitter it came to.
        """
        self._ask(do="medium", name=medium)

    def unpaced(self, *, direction: Direction = "both") -> None:
        """No rate limit."""
        self._shape(direction, {"rate_bytes_per_s": None})

    def down(self) -> None:
        """Unplug: the host sees no carrier; what was on the way is lost."""
        self._ask(do="plug", present=False)

    def up(self) -> None:
        """Plug in again (ends a flap)."""
        self._ask(do="plug", present=True)

    def flap(self, *, up_s: float, down_s: float) -> None:
        """Unplug now for `down_s`, plug in for `up_s`, and so on until up() or down()."""
        self._ask(do="flap", up_s=up_s, down_s=down_s)

    def block(self, direction: Direction = "both") -> None:
        """Drop everything silently, carrier kept: one direction makes a one-way link."""
        self._shape(direction, {"blocked": True})

    def unblock(self, direction: Direction = "both") -> None:
        """Undo block."""
        self._shape(direction, {"blocked": False})

    def blackhole(self, *, over_bytes: int | None, direction: Direction = "both") -> None:
        """Drop IP packets above this size silently; none lets all pass again."""
        self._shape(direction, {"largest_packet_bytes": over_bytes})

    def _shape(self, direction: Direction, changes: dict[str, Any]) -> None:
        self._ask(do="shape", direction=direction, set=changes)

    def _ask(self, **request: Any) -> None:
        ask(self.folder, request | {"port": self.port})
