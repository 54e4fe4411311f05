"""Measuring the grid: each start once, then link after link and load after load, while it runs."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.grid import facts, probes, world
from benchmarks.grid.cells import LINKS, SLOW_STARTS, STARTS, Load, Start
from homecluster.domain.plan import Backend
from homecluster.store.engine_store import Engine
from tests.lab.control import LabError
from tests.lab.lab import Lab

_ENOUGH_S: Final = 2.5
_LEAST_ROUNDS, _MOST_ROUNDS = 2, 5
_INTERVALS_S: Final = 2.0
"""Of a round, one token after the other; slow links give fewer tokens."""
_LEAST_TOKENS, _MOST_TOKENS = 4, 33
_SLOW_INTERVAL_S: Final = 0.6
"""Above it, loads of many tokens are left out: each would take minutes."""
_MANY_TOKENS: Final = 100
_START_NEEDS_S: Final = {Backend.MP: 130.0, Backend.RAY: 220.0}
_STOP_NEEDS_S: Final = 25.0
_MOST_FAILURES: Final = 2
"""A layout that failed so often is left to somebody who looks."""
_TROUBLE: Final = (AssertionError, LabError, OSError, ValueError, subprocess.SubprocessError)
"""One start's; the next one may do better."""
_SLOW_START_NEEDS_S: Final = 220.0
_PROMPT: Final = [401, 317, 555, 612, 1021]
_ANSWER_TOKENS: Final = 24

Seen = list[dict[str, float]]
Phases = list[tuple[float, str]]


def run(engine: Engine, *, seconds: float, only: str = "") -> None:
    """Whatever is missing, in the grid's order, as long as `seconds` allow.

    `only` is a start's name, or a part of several.
    """
    end_s = time.monotonic() + seconds
    _probe_what_is_missing(engine, end_s)
    root = Path(tempfile.gettempdir())
    named = [start for start in STARTS if start.name == only]
    for start in named or [start for start in STARTS if only in start.name]:
        missing = facts.missing(start)
        if not missing or facts.failures(start) >= _MOST_FAILURES:
            continue
        if end_s - time.monotonic() < _START_NEEDS_S[start.backend]:
            return
        model = world.make_model(engine, root, start.model)
        try:
            _measure(engine, model, start, missing, end_s)
        except _TROUBLE as error:
            facts.append(facts.STARTS, {"start": start.name, "failed": str(error)[-2000:]})
            print(f"{start.name}: broke off", flush=True)


def run_slow_starts(engine: Engine, *, seconds: float) -> None:
    """Starts on slow links, for how long they take; those that are missing."""
    end_s = time.monotonic() + seconds
    known = {(row["start"], row.get("link")) for row in facts.rows(facts.STARTS)}
    for start, link in SLOW_STARTS:
        if (start.name, link) in known:
            continue
        if end_s - time.monotonic() < _SLOW_START_NEEDS_S:
            return
        model = world.make_model(engine, Path(tempfile.gettempdir()), start.model)
        with world.grid_lab(len(start.hosts)) as lab:
            world.set_links(lab, LINKS[link](len(start.hosts)))
            with world.gang(lab, engine, model, start) as gang:
                _keep_start(lab, start, link, gang.start_up_s, gang.phases)


def _keep_start(lab: Lab, start: Start, link: str, seconds: float, phases: Phases) -> None:
    tokens = world.answer(lab.host("a"), _PROMPT, _ANSWER_TOKENS)
    row = {"start": start.name, "link": link, "start_up_s": round(seconds, 1), "phases": phases}
    facts.append(facts.STARTS, row | {"tokens": tokens, "measured_at": _now()})
    print(f"{start.name}: started after {seconds:.0f} s over {link}", flush=True)


def _probe_what_is_missing(engine: Engine, end_s: float) -> None:
    if "1 CPU" not in facts.known(facts.DEVICES):
        facts.keep(facts.DEVICES, "1 CPU", probes.probed_device(engine))
        print("probed a PC", flush=True)
    for name in LINKS:
        if time.monotonic() > end_s:
            return
        if name not in facts.known(facts.LINKS):
            facts.keep(facts.LINKS, name, probes.probed_link(engine, name))
            print(f"probed {name}", flush=True)


def _measure(
    engine: Engine, model: Path, start: Start, missing: list[tuple[str, Load]], end_s: float
) -> None:
    with ExitStack() as stack:
        lab = stack.enter_context(world.grid_lab(len(start.hosts)))
        if start.layout == "single":
            start_up_s = stack.enter_context(world.single(lab, engine, model, start))
            phases: Phases = []
        else:
            gang = stack.enter_context(world.gang(lab, engine, model, start))
            start_up_s, phases = gang.start_up_s, gang.phases
        _keep_start(lab, start, next(iter(LINKS)), start_up_s, phases)
        clients = stack.enter_context(world.clients(lab.host("a"), start))
        _measure_links(lab, clients, start, missing, end_s - _STOP_NEEDS_S)


def _measure_links(
    lab: Lab,
    clients: world.Clients,
    start: Start,
    missing: Iterable[tuple[str, Load]],
    end_s: float,
) -> None:
    now, interval_s = "", 0.0
    for link, load in missing:
        if time.monotonic() > end_s:
            return
        if link != now:
            if link in LINKS:
                world.set_links(lab, LINKS[link](len(start.hosts)))
            now = link
            warm = clients.play(Load(requests=1, prompt_tokens=8), 3)
            interval_s = warm["token_interval_s"]
        key = facts.key_of(start, link, load)
        if interval_s > _SLOW_INTERVAL_S and load.requests * load.prompt_tokens > _MANY_TOKENS:
            facts.append(facts.ROWS, key | {"rounds": [], "left_out": "would take minutes"})
            continue
        output_tokens = round(_INTERVALS_S / interval_s)
        output_tokens = max(_LEAST_TOKENS, min(_MOST_TOKENS, output_tokens))
        seen = _rounds(lab, clients, load, output_tokens)
        facts.append(
            facts.ROWS,
            key | {"output_tokens": output_tokens, "rounds": seen, "measured_at": _now()},
        )
        print(f"{start.name} {link} {load.requests} x {load.prompt_tokens}", flush=True)


def _rounds(lab: Lab, clients: world.Clients, load: Load, output_tokens: int) -> Seen:
    seen: Seen = []
    begun_s = time.monotonic()
    while len(seen) < _LEAST_ROUNDS or (
        len(seen) < _MOST_ROUNDS and time.monotonic() - begun_s < _ENOUGH_S
    ):
        before, switched_s = world.carried_bytes(lab), lab.switch_cpu_s()
        told = clients.play(load, output_tokens)
        seen.append(
            {name: round(value, 6) for name, value in told.items()}
            | {"link_bytes": world.carried_bytes(lab) - before}
            | {"switch_s": round(lab.switch_cpu_s() - switched_s, 2)}
        )
    return seen


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
