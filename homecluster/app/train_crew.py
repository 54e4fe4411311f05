"""The other PCs of a training, as the PC that leads it sees them: started, watched, and ended together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.app.ports import Members
from homecluster.app.train_order import TrainOrder, order_table
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Running, Starting, Stopped, is_over
from homecluster.errors import HomeclusterError, PeerError
from homecluster.launch.train_cause import Broken, Lost, Seen, all_over, cause_of
from homecluster.store.job_store import state_of

LEASE_S: Final = 20
"""A share goes on for so long without its leader."""
LOOK_EVERY_S: Final = 1.0
END_WITHIN_S: Final = 40.0
EXPLAIN_WITHIN_S: Final = 25.0
"""From a rank's "connection closed" to the word, or the silence, of the PC that caused it."""
_START_WITHIN_S: Final = 30.0
_CHECK_WITHIN_S: Final = 20.0
_ANSWER_WITHIN_S: Final = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mate:
    """Another PC, and what it is told."""

    node: NodeId
    order: TrainOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a PC said that it would bring."""

    node: NodeId
    versions: dict[str, str]
    model_is_here: bool
    can_fence: bool


def ask_all(
    members: Members, nodes: Sequence[NodeId], body: Callable[[NodeId], dict[str, Any]]
) -> tuple[Brought, ...]:
    """What every PC would bring, asked at the same time.

    Raises:
        PeerError: one of them cannot take part; says which and why.
    """

    def ask(node: NodeId) -> Brought:
        try:
            told = members.ask(node, "train.check", body(node), deadline_s=_CHECK_WITHIN_S)
        except HomeclusterError as error:
            raise PeerError(f"{node}: {error.message}", hint=error.hint) from error
        return Brought(
            node=node,
            versions={str(name): str(version) for name, version in told["versions"].items()},
            model_is_here=told["model_is_here"] is True,
            can_fence=told["can_fence"] is True,
        )

    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        return tuple(pool.map(ask, nodes))


class Crew:
    """Every look renews a PC's lease; `follow` looks from a thread until `stop`. Without mates it does nothing."""

    def __init__(
        self, members: Members | None, mates: Sequence[Mate], tell: Callable[[str], None]
    ) -> None:
        self._members = members  # None goes with no mates
        self._mates = tuple(mates)
        self._tell = tell
        self._seen = [Seen(name=mate.node, state=Starting(phase="starting")) for mate in mates]
        self._heard_at_s = [time.monotonic()] * len(mates)
        self._over = threading.Event()

    def start(self) -> None:
        """Tell every PC to bring model and data, and then to wait for rank 0.

        Raises:
            PeerError: one of them cannot.
        """
        for number, mate in enumerate(self._mates):
            body = {"order": order_table(mate.order), "lease_s": LEASE_S}
            try:
                self._ask(mate, "train.start", body, _START_WITHIN_S)
            except HomeclusterError as error:
                raise PeerError(f"{mate.node}: {error.message}", hint=error.hint) from error
            self._heard_at_s[number] = time.monotonic()

    def wait_until_ready(self) -> Lost | Broken | None:
        """None once the ranks of every PC were started."""
        while not all(isinstance(one.state, Running) for one in self._seen):
            self._look()
            if (cause := self._cause()) is not None:
                return cause
            time.sleep(LOOK_EVERY_S)
        return None

    def follow(self, on_cause: Callable[[], None]) -> None:
        """Look after them from now on; `on_cause` is called once they cannot go on together."""
        threading.Thread(target=self._follow, args=(on_cause,), daemon=True).start()

    def explain(self) -> Lost | Broken | None:
        """Why rank 0 lost the others, if one of them says so soon."""
        until_s = time.monotonic() + EXPLAIN_WITHIN_S
        while (cause := self._cause()) is None and self._mates and time.monotonic() < until_s:
            time.sleep(LOOK_EVERY_S / 4)
        return cause

    def stop(self) -> None:
        """Return once all that answer are over; a PC that does not answer ends its share by the lease."""
        self._over.set()
        until_s = time.monotonic() + END_WITHIN_S
        with ThreadPoolExecutor(max_workers=max(1, len(self._mates))) as pool:
            list(pool.map(lambda mate: self._end(mate, until_s), self._mates))

    def _end(self, mate: Mate, until_s: float) -> None:
        body = {"share": mate.order.share_id}
        with suppress(HomeclusterError):
            while time.monotonic() < until_s:
                told = self._ask(mate, "train.stop", body, _ANSWER_WITHIN_S)
                if is_over(state_of(told)) and not told["processes"]:
                    return
                time.sleep(LOOK_EVERY_S)

    def _follow(self, on_cause: Callable[[], None]) -> None:
        while not self._over.wait(LOOK_EVERY_S):
            self._look()
            if self._cause() is not None:
                on_cause()
                return
            if all_over(self._seen):
                return

    def _cause(self) -> Lost | Broken | None:
        return cause_of(self._seen)

    def _look(self) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(self._mates))) as pool:
            self._seen = list(pool.map(self._look_at, range(len(self._mates))))

    def _look_at(self, number: int) -> Seen:
        mate, before = self._mates[number], self._seen[number]
        if isinstance(before.state, Stopped):
            return before
        body = {"share": mate.order.share_id, "lease_s": LEASE_S}
        try:
            told = self._ask(mate, "train.look", body, _ANSWER_WITHIN_S)
        except HomeclusterError:
            return replace(before, silent_s=time.monotonic() - self._heard_at_s[number])
        self._heard_at_s[number] = time.monotonic()
        now = Seen(name=mate.node, state=state_of(told), code=told["code"])
        if isinstance(now.state, Starting) and now.state != before.state:
            self._tell(f"{mate.node}: {now.state.phase}")
        return now

    def _ask(
        self, mate: Mate, verb: str, body: dict[str, Any], within_s: float
    ) -> Mapping[str, Any]:
        assert self._members is not None
        return self._members.ask(mate.node, verb, body, deadline_s=within_s)
