"""What a launched layout is: its commands, and the states it can be in; never a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from homecluster.domain.ids import NodeId

JobId = NewType("JobId", str)
"""Names a job and its folder, e.g. `gpt2-8000-k3f9`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One process to start on one PC; `argv` is never a shell line."""

    node: NodeId
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    """Set on top of the environment of the PC; holds no secret."""
    ready_when: str
    """What shows that it works, in words a person understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """Everything needed to start a job, and nothing that must stay secret."""

    commands: tuple[Command, ...]
    """In the order to start them."""
    host: str
    port: int
    served_model: str
    """The name under which the API knows the model."""
    api_key_file: str | None = None
    """Read when the engine starts; its content goes into the engine's environment only."""

    @property
    def base_url(self) -> str:
        """Where OpenAI clients point to, as seen from this PC."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - a comparison, nothing is bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    phase: str
    """What the engine does now, e.g. `loading weights`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A token came back through the API."""

    start_up_s: float
    phases: tuple[tuple[str, float], ...] = ()
    """(what the engine did, for how many seconds) until then, in order; of a gang on its first PC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    node: NodeId
    reason: str
    """The engine's own words where it said any."""
    log_tail: tuple[str, ...] = ()


JobState = Starting | Running | Stopped | Failed


def is_over(state: JobState) -> bool:
    """Whether nothing of the job is left running."""
    return isinstance(state, Stopped | Failed)
