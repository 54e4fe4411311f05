"""Owns one job from its first process to its last: performs what `supervisor_step.step` asks for."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import psutil

from homecluster.domain.job import Command, JobState, LaunchSpec
from homecluster.engines.vllm_log import cause_of, phase_of
from homecluster.launch import cgroup, keeper, strays
from homecluster.launch.bounded_log import BoundedLog, split_lines
from homecluster.launch.first_token import token_came
from homecluster.launch.lease import overdue_s
from homecluster.launch.shared_memory import files_held_by, remove_left
from homecluster.launch.supervisor_step import (
    Act,
    EngineEnded,
    Event,
    Finish,
    GraceOver,
    KillAll,
    NothingLeft,
    PhaseSeen,
    Record,
    StartTooLong,
    StopAsked,
    Terminate,
    TokenCame,
    begin,
    step,
)

RUNNING_FILE = "running"
"""In a job's folder: the whole gang answered, of which this job is a part."""
_PROBE_PAUSE_S = 0.2
_LEASE_PAUSE_S = 1.0
_KILL_WITHIN_S = 10.0
_KEEPER_KILLS_WITHIN_S = 2 * strays.CLEANERS_S
_LAST_WORDS_S = 2.0
_CHUNK_BYTES = 65536
_REPORTED_LINES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one supervisor is to run."""

    job_id: str
    spec: LaunchSpec
    environment: Mapping[str, str]
    """The engine's whole environment, its key included."""
    api_key: str | None
    folder: Path
    group: Path | None
    start_limit_s: float
    tied: bool
    """Stop when standard input ends: whoever started us holds the other end."""

    @property
    def command(self) -> Command:
        (command,) = self.spec.commands
        return command


class Supervisor:
    """Threads turn what happens into events; one loop steps the machine and performs its acts."""

    def __init__(self, charge: Charge, log: BoundedLog, record: Callable[[JobState], None]) -> None:
        self._charge = charge
        self._log = log
        self._record = record
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._started_at_s = time.monotonic()
        self._over = threading.Event()
        self._shared_memory: frozenset[Path] = frozenset()

    def run(self) -> JobState:
        """The job's last state, once nothing of it is left."""
        strays.adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        state, acts = begin(self._charge.command.node)
        self._perform_all(acts)
        self._keeper = self._start_keeper()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        watchers = [self._wait_for_keeper, self._probe, self._limit_start, self._watch_lease]
        if self._charge.tied:
            watchers.append(self._wait_for_untie)
        for watch in watchers:
            threading.Thread(target=watch, daemon=True).start()
        while not self._over.is_set():
            state, acts = step(state, self._events.get())
            self._perform_all(acts)
        return state.job

    def _start_keeper(self) -> subprocess.Popen[bytes]:
        group = str(self._charge.group) if self._charge.group else "-"
        return subprocess.Popen(
            (sys.executable, "-m", keeper.__name__, group, *self._charge.command.argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(self._charge.environment),
            cwd=self._charge.folder,
        )

    # --- events -------------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: object) -> None:
        self._events.put(StopAsked(reason=f"asked to stop ({signal.Signals(number).name})"))

    def _read_log(self) -> None:
        assert self._keeper.stdout is not None
        pending = b""
        while chunk := os.read(self._keeper.stdout.fileno(), _CHUNK_BYTES):
            lines, pending = split_lines(pending, chunk)
            for line in lines:
                phase = phase_of(self._log.write(line))
                if phase is not None:
                    self._events.put(PhaseSeen(phase=phase))

    def _wait_for_keeper(self) -> None:
        self._keeper.wait()
        # Its last words are still in the pipe; a process that outlives it may hold the pipe open.
        self._reader.join(_LAST_WORDS_S)
        tail = self._log.tail()
        self._events.put(
            EngineEnded(
                reason=_reason(self._keeper.returncode, tail), log_tail=tail[-_REPORTED_LINES:]
            )
        )

    def _probe(self) -> None:
        spec = self._charge.spec
        if spec.port == 0:
            self._wait_for_word()
            return
        host = spec.base_url.removeprefix("http://").rpartition(":")[0].strip("[]")
        while not self._over.wait(_PROBE_PAUSE_S):
            came = token_came(
                host=host, port=spec.port, model=spec.served_model, api_key=self._charge.api_key
            )
            if came and _we_listen(spec.port):
                self._events.put(TokenCame(after_s=time.monotonic() - self._started_at_s))
                return

    def _wait_for_word(self) -> None:
        """A share without an API cannot see the token: whoever saw it leaves word."""
        while not self._over.wait(_PROBE_PAUSE_S):
            if (self._charge.folder / RUNNING_FILE).exists():
                self._events.put(TokenCame(after_s=time.monotonic() - self._started_at_s))
                return

    def _limit_start(self) -> None:
        if not self._over.wait(self._charge.start_limit_s):
            tail = self._log.tail()[-_REPORTED_LINES:]
            self._events.put(StartTooLong(limit_s=self._charge.start_limit_s, log_tail=tail))

    def _watch_lease(self) -> None:
        while not self._over.wait(_LEASE_PAUSE_S):
            if overdue_s(self._charge.folder) is not None:
                self._events.put(StopAsked(reason="nobody renewed its lease in time"))
                return

    def _wait_for_untie(self) -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        self._events.put(StopAsked(reason="the command that started it ended"))

    # --- acts ---------------------------------------------------------------------------------

    def _perform_all(self, acts: tuple[Act, ...]) -> None:
        for act in acts:
            self._perform(act)

    def _perform(self, act: Act) -> None:
        match act:
            case Record(job=job):
                self._record(job)
            case Terminate(grace_s=grace_s):
                self._note_shared_memory()
                self._tell_keeper(keeper.ASK)
                timer = threading.Timer(grace_s, lambda: self._events.put(GraceOver()))
                timer.daemon = True
                timer.start()
            case KillAll():
                self._note_shared_memory()
                self._kill_all()
                remove_left(self._shared_memory)
                self._events.put(NothingLeft())
            case Finish():
                self._over.set()

    def _note_shared_memory(self) -> None:
        """The keeper does the same and removes it; but it may be killed before, with its whole group."""
        self._shared_memory |= files_held_by(child.pid for child in strays.descendants())

    def _tell_keeper(self, word: bytes) -> None:
        assert self._keeper.stdin is not None
        try:
            os.write(self._keeper.stdin.fileno(), word)
        except BrokenPipeError:
            return  # the keeper is gone: its descendants are ours now

    def _let_keeper_kill(self) -> None:
        """It leaves those for a moment that clean up after others; the group's kill spares nobody."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._keeper.wait(_KEEPER_KILLS_WITHIN_S)

    def _kill_all(self) -> None:
        """Comes back only when nothing is left; a process that the kernel holds is waited for."""
        while True:
            self._tell_keeper(keeper.KILL)
            self._let_keeper_kill()
            if self._charge.group is not None:
                cgroup.kill_group(self._charge.group, _KILL_WITHIN_S)
            try:
                self._keeper.wait(_KILL_WITHIN_S)
            except subprocess.TimeoutExpired:
                self._keeper.kill()
                continue
            if not strays.kill_descendants(_KILL_WITHIN_S):
                return


def _reason(status: int, tail: tuple[str, ...]) -> str:
    status = status if status >= 0 else 128 - status
    if status == 128 + signal.SIGKILL:
        return "the engine was killed (SIGKILL): by someone, or by the kernel for lack of memory"
    return cause_of(tail) or f"the engine ended with status {status}"


def _we_listen(port: int) -> bool:
    """Whether the port belongs to this job: another server there could have answered."""
    for process in strays.descendants():
        try:
            connections = process.net_connections("tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if any(c.status == psutil.CONN_LISTEN and c.laddr.port == port for c in connections):
            return True
    return False
