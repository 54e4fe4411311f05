"""Leads a gang from its first share to its last: performs what `gang_step.step` asks for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import SimpleQueue

from homecluster.app.gang_line import Line, Outlets
from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.job import JobState, Running
from homecluster.launch.gang_events import (
    Act,
    Event,
    Finish,
    Record,
    Start,
    StartTooLong,
    Stop,
    StopAsked,
)
from homecluster.launch.gang_step import (
    begin,
    step,
)
from homecluster.store.gang_store import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one leader is to lead."""

    parts: tuple[Part, ...]
    secrets: Mapping[str, str]
    """By name, where there are any; told to the PCs and kept nowhere else."""
    start_limit_s: float


class Leader:
    """One thread for each PC turns its answers into events; `run` steps the machine and performs its acts."""

    def __init__(
        self,
        charge: Charge,
        members: Members,
        record: Callable[[JobState], None],
        log: Callable[[str], None],
    ) -> None:
        self._charge = charge
        self._record = record
        self._log = log
        self._log_lock = threading.Lock()
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._over = False
        out = Outlets(event=self._events.put, log=self._write)
        self._lines = tuple(
            Line(members, number, part, _secrets_for(number, charge.secrets), out)
            for number, part in enumerate(charge.parts)
        )

    def ask_to_stop(self, reason: str) -> None:
        """From any thread or signal handler."""
        self._events.put(StopAsked(reason=reason))

    def run(self) -> JobState:
        """The job's last state, once nothing of it is left on any PC that answers."""
        limit = threading.Timer(self._charge.start_limit_s, self._start_took_too_long)
        limit.daemon = True
        limit.start()
        gang, acts = begin(tuple(NodeId(part.name) for part in self._charge.parts))
        self._perform_all(acts)
        while not self._over:
            gang, acts = step(gang, self._events.get())
            self._perform_all(acts)
        limit.cancel()
        for line in self._lines:
            line.close()
        return gang.job

    def _start_took_too_long(self) -> None:
        self._events.put(StartTooLong(limit_s=self._charge.start_limit_s))

    def _perform_all(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            self._perform(act)

    def _perform(self, act: Act) -> None:
        match act:
            case Record(job=job):
                self._record(job)
                if isinstance(job, Running):
                    for line in self._lines:
                        line.say_running()
            case Start(share=share):
                self._lines[share].start()
            case Stop(share=share):
                self._lines[share].stop()
            case Finish():
                self._over = True

    def _write(self, line: str) -> None:
        with self._log_lock:
            self._log(line)


def _secrets_for(share: int, secrets: Mapping[str, str]) -> Mapping[str, str]:
    """The API's key only to the PC that serves it."""
    return {name: value for name, value in secrets.items() if share == 0 or name != "api_key"}
