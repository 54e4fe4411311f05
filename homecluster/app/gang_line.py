"""The leader's line to one PC of a gang: tells it what to do, and turns its answers into events."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from homecluster.app.ports import Members
from homecluster.domain.job import Starting, is_over
from homecluster.engines.vllm_gang_document import order_document
from homecluster.engines.vllm_log import LAST_PHASE
from homecluster.errors import HomeclusterError
from homecluster.launch.gang_events import Accepted, Event, Refused, Silent, Told
from homecluster.store.gang_store import Part
from homecluster.store.job_store import state_of

LEASE_S: Final = 20
"""A share goes on for so long without its leader."""
LOOK_EVERY_S: Final = 1.0
TOKEN_LOOK_EVERY_S: Final = 0.25
"""Once the server answers: who waits for the first token waits for the look that brings the word of it too.
Before, four looks a second would take the cores from the engine that loads its code: 11 s of them in a start."""
STOP_AGAIN_S: Final = 5.0
"""Asked twice, a share ends without grace: a rank that waits for a lost one hears no SIGTERM."""
_START_WITHIN_S: Final = 30.0
_START_TRIES: Final = 3
_ANSWER_WITHIN_S: Final = 6.0
_MUCH_LOG_LINES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """Where a line puts what it hears."""

    event: Callable[[Event], None]
    log: Callable[[str], None]
    """A line of the share's log, with the PC's name before it."""


class Line:
    """One thread; `start` and `stop` return at once."""

    def __init__(
        self, members: Members, share: int, part: Part, secrets: Mapping[str, str], out: Outlets
    ) -> None:
        self._members = members
        self._share = share
        self._part = part
        self._secrets = secrets
        self._out = out
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._closed = threading.Event()
        self._token_is_near = False
        self._running = False
        self._place = 0
        self._stop_asked_at_s: float | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin the share."""
        self._thread.start()

    def stop(self) -> None:
        """End the share; its state comes as events."""
        self._stopping.set()
        self._wake.set()

    def say_running(self) -> None:
        """Tell the PC with the next look that the whole gang answers."""
        self._running = True

    def close(self) -> None:
        """Ask no more."""
        self._closed.set()
        self._wake.set()

    def _run(self) -> None:
        if not self._begin():
            return
        heard_at_s = time.monotonic()
        while not self._closed.is_set():
            try:
                report = self._ask_how()
            except HomeclusterError as error:
                for_s = time.monotonic() - heard_at_s
                self._out.event(Silent(share=self._share, for_s=for_s, why=error.message))
            else:
                heard_at_s = time.monotonic()
                state = state_of(report)
                self._token_is_near = state == Starting(phase=LAST_PHASE)
                self._out.event(Told(share=self._share, state=state))
                if is_over(state) and not report["log"]:
                    return
                if len(report["log"]) >= _MUCH_LOG_LINES:
                    continue
            self._wake.wait(TOKEN_LOOK_EVERY_S if self._token_is_near else LOOK_EVERY_S)
            self._wake.clear()

    def _begin(self) -> bool:
        """Started; a start that failed may have reached the PC, so it is asked to stop too."""
        body = {"order": order_document(self._part.order), "lease_s": LEASE_S, **self._secrets}
        for left in reversed(range(_START_TRIES)):
            try:
                self._ask("share.start", body, _START_WITHIN_S)
            except HomeclusterError as error:
                if left and not self._closed.wait(LOOK_EVERY_S):
                    continue
                self._give_up(error)
                return False
            self._out.event(Accepted(share=self._share))
            return True
        return False

    def _give_up(self, error: HomeclusterError) -> None:
        # A PC that refused has none to stop; one that cannot be asked ends its share with the lease.
        with contextlib.suppress(HomeclusterError):
            self._ask("share.stop", {"share": self._part.order.share_id}, _ANSWER_WITHIN_S)
        reason = f"{error.message} ({error.hint})" if error.hint else error.message
        self._out.event(Refused(share=self._share, reason=reason))

    def _ask_how(self) -> Mapping[str, Any]:
        body: dict[str, Any] = {"share": self._part.order.share_id, "place": self._place}
        verb = "share.look"
        if self._stopping.is_set() and self._is_time_to_ask_stop():
            verb = "share.stop"
        else:
            body |= {"lease_s": LEASE_S, "running": self._running}
        report = self._ask(verb, body, _ANSWER_WITHIN_S)
        self._place = report["place"]
        for line in report["log"]:
            self._out.log(f"[{self._part.name}] {line}")
        return report

    def _is_time_to_ask_stop(self) -> bool:
        now_s = time.monotonic()
        if self._stop_asked_at_s is not None and now_s - self._stop_asked_at_s < STOP_AGAIN_S:
            return False
        self._stop_asked_at_s = now_s
        return True

    def _ask(self, verb: str, body: Mapping[str, Any], deadline_s: float) -> Mapping[str, Any]:
        return self._members.ask(self._part.node, verb, body, deadline_s=deadline_s)
