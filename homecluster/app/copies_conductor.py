"""Leads a job of several copies: one line to each PC, one router before them all, one state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from homecluster.app.copies_line import CopyLine, Host, Pace
from homecluster.domain.job import Failed, JobState, Running, Starting, Stopped
from homecluster.launch.copies_step import later_word, progress, word
from homecluster.router.server import Address, Router
from homecluster.router.watch import Patience
from homecluster.store.copies_store import Copies, OrderedCopy
from homecluster.store.job_store import Launch

DRAIN_S: Final = 4.0
"""What a request that runs gets when the job is taken down; whoever waits for that has patience for 25 s."""
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What one conductor is to run."""

    launch: Launch
    copies: Copies
    hosts: Mapping[str, Host]
    """By the copy's name."""
    api_key: str | None
    copies_key: str
    """The copies ask for it, and only the router knows it."""
    pace: Pace
    patience: Patience


class Conductor:
    """Runs inside one event loop; `ask_to_stop` may come from any thread."""

    def __init__(
        self,
        charge: Charge,
        record: Callable[[JobState], None],
        log: Callable[[str], None],
        keep: Callable[[Sequence[Mapping[str, Any]]], None],
    ) -> None:
        self._charge = charge
        self._record_to = record
        self._log = log
        self._keep = keep
        self._last: JobState | None = None
        self._kept: Sequence[Mapping[str, Any]] = ()
        self._told = ""
        self._begun_s = time.monotonic()
        self._stop_reason: str | None = None
        self._lines: tuple[CopyLine, ...] = ()

    def ask_to_stop(self, reason: str) -> None:
        self._stop_reason = self._stop_reason or reason

    async def run(self) -> JobState:
        """The job's last state, once its copies are gone or will go by their leases."""
        self._record(Starting(phase="starting"))
        launch = self._charge.launch
        router = self._router()
        try:
            await router.start()
        except OSError as error:
            node = launch.spec.commands[0].node
            return self._end(Failed(node=node, reason=f"cannot listen: {error.strerror}"))
        copies = self._charge.copies.copies
        self._lines = tuple(self._line(one, router, len(copies)) for one in copies)
        tasks = [asyncio.create_task(line.run()) for line in self._lines]
        try:
            ending = await self._until_over(router)
            self._log(f"ending: {ending.reason}")
            await router.drain(DRAIN_S)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for left in await asyncio.gather(*(line.end() for line in self._lines)):
            if left is not None:
                self._log(left)
        await router.stop()
        return self._end(ending)

    def _end(self, ending: Stopped | Failed) -> JobState:
        self._record(ending)
        return ending

    def _router(self) -> Router:
        spec = self._charge.launch.spec
        address = Address(
            host=spec.host,
            port=spec.port,
            model=spec.served_model,
            api_key=self._charge.api_key,
            copies_key=self._charge.copies_key,
        )
        return Router(address, patience=self._charge.patience, tell=self._log)

    def _line(self, copy: OrderedCopy, router: Router, copies: int) -> CopyLine:
        return CopyLine(
            copy,
            self._charge.hosts[copy.name],
            router,
            key=self._charge.copies_key,
            copies=copies,
            pace=self._charge.pace,
        )

    async def _until_over(self, router: Router) -> Stopped | Failed:
        limit_s = self._charge.launch.start_limit_s
        while True:
            now = tuple(line.now for line in self._lines)
            self._tell(router)
            if self._stop_reason is not None:
                return Stopped(reason=self._stop_reason)
            if not isinstance(self._last, Running):
                state = word(now, fewer=self._charge.copies.fewer)
                for_s = time.monotonic() - self._begun_s
                if state is None:
                    router.open()
                    state = Running(start_up_s=for_s)
                elif isinstance(state, Failed):
                    return state
                elif for_s > limit_s:
                    reason = f"no token of every copy within {limit_s:.0f} s: {progress(now)}"
                    return Failed(node=now[0].node, reason=reason)
                self._record(state)
            elif (failed := later_word(now)) is not None:
                return failed
            await asyncio.sleep(_LOOK_S)

    def _tell(self, router: Router) -> None:
        seats = {seat.name: seat for seat in router.table.seats}
        now = []
        for line in self._lines:
            seat = seats.get(line.now.name)
            own = asdict(line.now) | {"share": line.share, "details": dict(line.details)}
            own |= {"log_tail": list(line.now.log_tail)}
            if seat is not None:
                own |= {"router": {"state": seat.state, "reason": seat.reason}}
            now.append(own)
        words = progress(tuple(line.now for line in self._lines))
        if words != self._told:
            self._told = words
            self._log(words)
        if now != self._kept:
            self._kept = now
            self._keep(now)

    def _record(self, state: JobState) -> None:
        if state != self._last:
            self._last = state
            self._record_to(state)
