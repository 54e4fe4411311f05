"""When a starting vLLM reached which part of its start: read from its log while it grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

CONFIGURED: Final = "Resolved architecture"
"""The server has loaded its code and the model's configuration; it starts the engine's process next."""
ENGINE_BEGINS: Final = "Initializing a V1 LLM engine"
"""The engine's process has loaded its code. Both lines as vLLM 0.32 writes them."""


@dataclass(slots=True)
class StartClock:
    """Seconds since the start of each line that was waited for."""

    reached_s: dict[str, float] = field(default_factory=dict)

    def note(self, log: str, after_s: float) -> None:
        """What the log holds `after_s` seconds after the start."""
        for mark in (CONFIGURED, ENGINE_BEGINS):
            if mark in log:
                self.reached_s.setdefault(mark, after_s)


def start_parts(reached_s: Mapping[str, float], ready_s: float) -> dict[str, float] | None:
    """What the planner builds the start of other layouts from; None where the log lacked a line.

    server   until the engine's process begins: interpreter, imports, the model's configuration
    worker   of that, one more process that loads the engine's code
    ready    from there until requests are answered: a tiny model's weights, memory, warm-up, the API

    """
    if not {CONFIGURED, ENGINE_BEGINS} <= reached_s.keys():
        return None
    begins_s = reached_s[ENGINE_BEGINS]
    return {
        "server_start_s": begins_s,
        "worker_start_s": max(0.0, begins_s - reached_s[CONFIGURED]),
        "engine_ready_s": max(0.0, ready_s - begins_s),
    }
