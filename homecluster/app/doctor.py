"""The use case `doctor`: look at this PC's installation before anything runs on it, and mend what is safe and ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from homecluster.app.checks import machine, network, software, wsl
from homecluster.app.checks.facts import Facts
from homecluster.app.checks.read_facts import read_facts
from homecluster.app.engine import list_engines, refresh_own_code
from homecluster.app.jobs import jobs_over
from homecluster.domain.check import Check, Mark
from homecluster.errors import HomeclusterError
from homecluster.launch import strays
from homecluster.store.paths import Paths

_KILL_WITHIN_S = 15.0

CHECKS: Final[tuple[Callable[[Facts], Check | None], ...]] = (
    software.python,
    software.engine,
    software.wheels,
    software.gpu,
    wsl.wsl_mode,
    wsl.wsl_memory,
    wsl.wsl_idle,
    network.interface,
    network.names,
    network.firewall,
    network.ports,
    network.proxies,
    machine.clock,
    machine.disk,
    machine.memory,
    machine.state,
    machine.leftovers,
    software.iperf3,
)
"""In the order in which they are shown; None where a check does not apply to this PC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mended:
    """What `--fix` did about one check."""

    id: str
    did: str


def checks_of(facts: Facts) -> tuple[Check, ...]:
    """Every check that applies."""
    return tuple(found for check in CHECKS if (found := check(facts)) is not None)


def examine(paths: Paths, environment: Mapping[str, str]) -> tuple[Check, ...]:
    """This PC's checks now."""
    return checks_of(read_facts(paths, environment))


def mend(paths: Paths, checks: tuple[Check, ...]) -> tuple[Mended, ...]:
    """Do what is safe and ours about checks that name an act: nothing beyond our own files and processes."""
    done = []
    for check in checks:
        act = _ACTS.get(check.mends or "")
        if check.mark is Mark.PASS or act is None:
            continue
        try:
            done.append(Mended(id=check.id, did=act(paths)))
        except (HomeclusterError, OSError) as error:
            done.append(Mended(id=check.id, did=f"could not be mended: {error}"))
    return tuple(done)


def worst(checks: tuple[Check, ...]) -> Mark:
    """fail over warn over pass."""
    marks = {check.mark for check in checks}
    return next((mark for mark in (Mark.FAIL, Mark.WARN) if mark in marks), Mark.PASS)


def _make_state_private(paths: Paths) -> str:
    paths.home.chmod(0o700)
    return f"{paths.home} is yours alone now"


def _refresh_engine_code(paths: Paths) -> str:
    for one in list_engines(paths):
        refresh_own_code(one)
    return "the engine environments hold the homecluster code of now"


def _end_leftovers(paths: Paths) -> str:
    """Of jobs that are over only; a living job's processes are never touched."""
    ended = 0
    for job in jobs_over(paths.jobs):
        ended += len(strays.tagged(job))
        strays.kill_tagged(job, _KILL_WITHIN_S)
    return f"{ended} processes of jobs that are over were ended"


_ACTS: Final[Mapping[str, Callable[[Paths], str]]] = MappingProxyType(
    {
        "make-state-private": _make_state_private,
        "refresh-engine-code": _refresh_engine_code,
        "end-leftovers": _end_leftovers,
    }
)
