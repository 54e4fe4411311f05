"""The outcomes that a fault of one copy over two PCs may have, and how each is seen."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.cluster.gang_home import GangHome, behave
from tests.cluster.pcs import Pc
from tests.waiting import within

_OVER_WITHIN_S = 60.0
_CLEAN_WITHIN_S = 60.0

Act = Callable[[GangHome], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of a fault, as a user saw it."""

    words: str
    after_s: float
    """From the fault to those words."""
    clean_after_s: float
    """From the fault until nothing was left on any PC that runs."""


Show = Callable[[GangHome], Seen]
"""Makes a fault happen in a home where nothing runs, fails if the outcome is another, and tidies up."""


def ends(broken: Act, *, says: str, mended: Act | None = None) -> Show:
    """A running copy over both is ended by what `broken` does; its last reason has the words `says`."""

    def show(home: GangHome) -> Seen:
        job = home.start()
        begun_s = time.monotonic()
        broken(home)
        found: dict[str, str] = {}

        def is_over() -> bool:
            found.update(home.job(job))
            return found["state"] in ("failed", "stopped")

        within(_OVER_WITHIN_S, is_over, lambda: str(found))
        after_s = time.monotonic() - begun_s
        reason = f"{found.get('node') or ''}: {found['reason']}".removeprefix(": ")
        assert says in reason, reason
        seen = Seen(
            words=f"{found['state']}: {reason}", after_s=after_s, clean_after_s=clean(home, begun_s)
        )
        if mended is not None:
            mended(home)
        return seen

    return show


def clean(home: GangHome, begun_s: float, *pcs: Pc) -> float:
    """Seconds until nothing is left."""
    within(_CLEAN_WITHIN_S, lambda: not home.left(*pcs), lambda: str(home.left(*pcs)))
    return time.monotonic() - begun_s


def goes_on(disturbed: Act, mended: Act | None = None) -> Show:
    """The copy runs through it and answers."""

    def show(home: GangHome) -> Seen:
        job = home.start()
        begun_s = time.monotonic()
        disturbed(home)
        assert home.answers(), home.job(job)
        after_s = time.monotonic() - begun_s
        if mended is not None:
            mended(home)
        found = home.job(job)
        assert found["state"] == "running", found
        assert home.a.type("down", job, timeout_s=90).returncode == 0
        return Seen(
            words="runs on, and answers", after_s=after_s, clean_after_s=clean(home, begun_s)
        )

    return show


def comes_up(prepared: Act, mended: Act, *, has: str = "") -> Show:
    """`up` does its work all the same; every engine process's environment has the line `has`."""

    def show(home: GangHome) -> Seen:
        prepared(home)
        begun_s = time.monotonic()
        job = home.start()
        after_s = time.monotonic() - begun_s
        assert home.answers()
        for pc in home.pcs:
            (pid, *_) = home.pids(pc, "gang_engine_process -S")
            environment = pc.host.run(["cat", f"/proc/{pid}/environ"]).stdout.split("\0")
            assert has in ["", *environment], environment
            assert f"VLLM_HOST_IP={pc.host.address}" in environment, environment
        assert home.a.type("down", job, timeout_s=90).returncode == 0
        seen = Seen(
            words="comes up, and answers", after_s=after_s, clean_after_s=clean(home, begun_s)
        )
        mended(home)
        return seen

    return show


def refused(
    prepared: Act, mended: Act, *, code: int, says: tuple[str, ...], asked: tuple[str, ...] = ()
) -> Show:
    """`up`, with the words `asked`, returns `code` and says `says`; nothing was started anywhere."""

    def show(home: GangHome) -> Seen:
        kept = prepared(home)
        begun_s = time.monotonic()
        ran = home.up(*asked)
        after_s = time.monotonic() - begun_s
        mended(home)
        if isinstance(kept, subprocess.Popen):
            kept.kill()
            kept.wait()
        assert ran.returncode == code, ran.stderr
        assert all(word in ran.stderr for word in says), ran.stderr
        words = ran.stderr.partition("error: ")[2].splitlines()[0]
        return Seen(
            words=f"exit {code}: {words}", after_s=after_s, clean_after_s=clean(home, begun_s)
        )

    return show


def interrupted(
    stage: Callable[[GangHome], object], *, behaviour: str = "", times: int = 1,
    prepared: Act | None = None, mended: Act | None = None,
) -> Show:  # fmt: skip
    """Ctrl-C once `stage` is reached: exit 130, and nothing is left."""

    def show(home: GangHome) -> Seen:
        for pc in home.pcs:
            behave(pc, behaviour)
        if prepared is not None:
            prepared(home)
        typed = home.begin()
        try:
            within(150, lambda: stage(home), lambda: f"never got there: {_last_words(typed)}")
            begun_s = time.monotonic()
            for _ in range(times):
                typed.send_signal(signal.SIGINT)
                threading.Event().wait(0.3)
            said, _ = typed.communicate(timeout=90)
        finally:
            typed.kill()
            if mended is not None:
                mended(home)
        after_s = time.monotonic() - begun_s
        assert typed.returncode in (130, -signal.SIGINT), (
            said
        )  # a late one ends the interpreter itself
        assert "Traceback" not in said, said
        seen = Seen(words="exit 130", after_s=after_s, clean_after_s=clean(home, begun_s))
        for pc in home.pcs:
            behave(pc, "")
        return seen

    return show


def _last_words(typed: subprocess.Popen[str]) -> str:
    """Of a command that ended too early."""
    if typed.poll() is None:
        return "it is still at it"
    said, _ = typed.communicate()
    return said[-600:]
