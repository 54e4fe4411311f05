"""The router's line to one copy's PC: starts the copy there, keeps its lease, notices how it is, ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from homecluster.errors import HomeclusterError
from homecluster.launch.copies_step import CopyNow
from homecluster.router.table import Backend, SeatState
from homecluster.store.copies_store import OrderedCopy

if TYPE_CHECKING:  # `down` and `up` must not load a web server for its name
    from homecluster.router.server import Router

LEASE_S: Final = 60
"""A copy goes on for so long without its router: a home's access point restarts in less."""
LOOK_EVERY_S: Final = 1.0
START_AGAIN_AFTER_S: Final = 5.0
LOST_AFTER_S: Final = 10.0
"""So long after a PC's last word, what still waits for it is asked of another."""
REQUESTS_BY_SOCKET: Final = 56
"""As many connections as the router keeps to a copy on another PC."""
MOST_SEQUENCES: Final = 256
"""vLLM's own default of sequences that it computes at once."""
START_WITHIN_S: Final = 60.0
ANSWER_WITHIN_S: Final = 6.0
STOP_AGAIN_S: Final = 5.0


class Host(Protocol):
    """The PC of one copy, as it is asked; blocking."""

    def ask(self, verb: str, body: Mapping[str, Any], *, deadline_s: float) -> Mapping[str, Any]:
        """What it answers.

        Raises:
            HomeclusterError: it cannot be reached (PeerError), or it refuses.
        """
        ...

    def way(self, share: str, port: int) -> tuple[str | None, str | None, int | None]:
        """(socket, host, port) by which the share's API is reached from here.

        Raises:
            HomeclusterError: there is none now.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long the line waits between its acts; tests wait less."""

    look_every_s: float = LOOK_EVERY_S
    start_again_after_s: float = START_AGAIN_AFTER_S
    lost_after_s: float = LOST_AFTER_S


class CopyLine:
    """One asyncio task for each copy; blocking asks run in threads."""

    def __init__(
        self,
        copy: OrderedCopy,
        host: Host,
        router: Router,
        *,
        key: str,
        copies: int,
        pace: Pace,
    ) -> None:
        self._copy = copy
        self._host = host
        self._router = router
        self._key = key
        self._pace = pace
        self._copies = copies
        self._asking: asyncio.Future[Mapping[str, Any]] | None = None
        self._order = dict(copy.order)
        self._has_joined = False
        self._heard_at_s = 0.0
        self._state = CopyNow(name=copy.name, node=copy.node)
        self.details: Mapping[str, Any] = {}
        """The PC's last word, for people who ask how the job is."""

    @property
    def now(self) -> CopyNow:
        """With what the router knows."""
        if not self._has_joined or self._state.failure is not None:
            return self._state
        serves = self._router.table.seat(self._copy.name).state is SeatState.SERVING
        if serves and not self._state.has_served:
            self._state = replace(self._state, has_served=True)
        return replace(self._state, serves=serves)

    @property
    def share(self) -> str:
        return f"{self._order['job']}.{self._order['number']}"

    async def run(self) -> None:
        """Until the copy is lost for good; cancel it to stop looking."""
        while True:
            await self._start()
            while self._state.failure is None:
                await asyncio.sleep(self._pace.look_every_s)
                await self._look()
            if not self.now.may_start_again:
                return
            await asyncio.sleep(self._pace.start_again_after_s)
            self._begin_again()

    async def _start(self) -> None:
        body = {"order": self._order, "lease_s": LEASE_S, "api_key": self._key}
        try:
            await self._ask("copy.start", body, START_WITHIN_S)
        except HomeclusterError as error:
            hint = f" ({error.hint})" if error.hint else ""
            self._fail(f"{error.message}{hint}")
            return
        self._set(phase="starting")

    async def _look(self) -> None:
        try:
            report = await self._ask(
                "copy.look", {"share": self.share, "lease_s": LEASE_S}, ANSWER_WITHIN_S
            )
        except HomeclusterError as error:
            self._set(can_be_asked=False)
            self._tell_router(error.message)
            return
        self.details = report
        self._heard_at_s = asyncio.get_running_loop().time()
        self._set(can_be_asked=True)
        match report["state"]:
            case "starting":
                self._set(phase=str(report["phase"]))
            case "running":
                await self._join(report)
            case _:
                self._fail(str(report["reason"]), tuple(report.get("log_tail", ())))

    def _tell_router(self, message: str) -> None:
        """One answer that does not come ends no stream; silence does."""
        if not self._has_joined:
            return
        for_s = asyncio.get_running_loop().time() - self._heard_at_s
        tell = self._router.lost if for_s > self._pace.lost_after_s else self._router.doubt
        tell(self._copy.name, f"{self._copy.node}: {message}")

    async def _join(self, report: Mapping[str, Any]) -> None:
        if self._has_joined:
            return
        self._set(phase="waiting for the first token through the router")
        try:
            socket, host, port = await asyncio.to_thread(
                self._host.way, self.share, int(report["port"])
            )
        except HomeclusterError as error:
            self._set(phase=f"no way to it: {error.message}")
            return  # asked again at the next look
        backend = Backend(
            name=self._copy.name,
            socket=socket,
            host=host,
            port=port,
            tokens_per_s=max(1, int(report["milli_tokens_per_s"])) / 1000,
            batch=max(
                1, min(int(report["batch"]), REQUESTS_BY_SOCKET if socket else MOST_SEQUENCES)
            ),
        )
        self._router.join(backend)
        self._has_joined = True

    def _fail(self, reason: str, log_tail: tuple[str, ...] = ()) -> None:
        if self._has_joined:
            has_served = self.now.has_served
            self._router.over(self._copy.name, reason)
            self._state = replace(self._state, has_served=has_served)
        self._set(failure=reason, log_tail=log_tail, phase="failed")

    def _begin_again(self) -> None:
        """A new share: the folder of the old one keeps its story."""
        self._order["number"] += self._copies
        self._has_joined = False
        self._state = replace(
            self._state,
            failure=None,
            log_tail=(),
            phase="asked to start again",
            starts=self._state.starts + 1,
        )

    async def end(self) -> str | None:
        """The copy is gone, or why that cannot be told; call it once nobody runs `run` any more."""
        if self._asking is not None and not self._asking.done():
            await asyncio.wait([self._asking])  # a start on its way must not arrive after its stop
        if self._state.failure is not None:
            return None
        asked_at_s: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            if asked_at_s is None or loop.time() - asked_at_s > STOP_AGAIN_S:
                verb, asked_at_s = "copy.stop", loop.time()
            else:
                verb = "copy.look"
            try:
                report = await self._ask(
                    verb, {"share": self.share, "lease_s": LEASE_S}, ANSWER_WITHIN_S
                )
            except HomeclusterError as error:
                return f"{self._copy.name}: {error.message}; it ends by itself within {LEASE_S} s"
            if report["state"] in ("stopped", "failed"):
                return None
            await asyncio.sleep(self._pace.look_every_s / 4)

    def _set(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

    async def _ask(
        self, verb: str, body: Mapping[str, Any], deadline_s: float
    ) -> Mapping[str, Any]:
        ask = asyncio.to_thread(self._host.ask, verb, body, deadline_s=deadline_s)
        self._asking = asyncio.ensure_future(ask)
        return await asyncio.shield(self._asking)
