"""A job of two copies from start to end: PCs that refuse, vanish, crash and come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp

from homecluster.app.copies_conductor import Charge, Conductor
from homecluster.app.copies_line import Pace
from homecluster.domain.ids import NodeId
from homecluster.domain.job import (
    Command,
    Failed,
    JobId,
    JobState,
    LaunchSpec,
    Running,
    Starting,
    Stopped,
)
from homecluster.errors import MissingError, PeerError
from homecluster.router.watch import Patience
from homecluster.store.copies_store import Copies, OrderedCopy
from homecluster.store.job_store import Launch
from tests.fakes.copy_server import KEY, FakeCopy
from tests.ports import unused_port

LIMIT_S = 30.0


class FakePc:
    """A PC whose copies are told apart by their share; answers from any thread."""

    def __init__(self, server: FakeCopy) -> None:
        self.server = server
        self.asked: list[tuple[str, Any]] = []
        self.state: dict[str, Any] = {"state": "running", "start_up_ms": 1000}
        self.refuses = False
        self.is_away = False

    def ask(self, verb: str, body: Mapping[str, Any], *, deadline_s: float) -> Mapping[str, Any]:
        assert deadline_s > 0
        share = body.get("share") or "job.{number}".format(**body["order"])
        self.asked.append((verb, share))
        if self.is_away:
            raise PeerError("it does not answer")
        match verb:
            case "copy.start" if self.refuses:
                raise MissingError("the cpu engine is not installed", hint="install it")
            case "copy.start":
                self.state = {"state": "running", "start_up_ms": 1000}
                return {"share": share}
            case "copy.stop":
                self.state = {"state": "stopped", "reason": "asked to stop"}
        return {**self.state, "port": self.server.port, "milli_tokens_per_s": 5000, "batch": 4}

    def was_asked(self, verb: str, share: str) -> bool:
        return (verb, share) in self.asked

    def way(self, share: str, port: int) -> tuple[str | None, str | None, int | None]:
        del share
        return None, "127.0.0.1", port


class Home:
    conductor: Conductor

    def __init__(self, pcs: dict[str, FakePc], url: str) -> None:
        self.pcs, self.url = pcs, url
        self.states: list[JobState] = []
        self.said: list[str] = []
        self.kept: Any = []

    def kept_now(self, now: Any) -> None:
        self.kept = now

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not holds():  # noqa: ASYNC110 - values of other tasks, which signal nothing
                await asyncio.sleep(0.005)

    async def is_running(self) -> None:
        await self.until(lambda: self.states and isinstance(self.states[-1], Running))

    async def status(self) -> int:
        body = {"model": "m", "prompt": "x", "max_tokens": 3}
        async with aiohttp.ClientSession() as client:
            try:
                async with client.post(self.url, json=body) as answer:
                    return answer.status
            except aiohttp.ClientError:
                return 0


def launch(port: int, names: tuple[str, ...]) -> Launch:
    command = Command(node=NodeId(names[0]), argv=("x",), env=(), ready_when="now")
    return Launch(
        job_id=JobId("job"), created_at="2026-01-01T00:00:00+00:00", engine="fake", model="m",
        model_folder="", random_weights=True, start_limit_s=60.0,
        spec=LaunchSpec(commands=(command,), host="127.0.0.1", port=port, served_model="m"),
        tied=False, plan={}, workload={}, cluster_fingerprint=None,
    )  # fmt: skip


@asynccontextmanager
async def home(
    *servers: FakeCopy, fewer: bool = False, prepare: Callable[[dict[str, FakePc]], object] = len
) -> AsyncIterator[tuple[Home, asyncio.Task[JobState]]]:
    for server in servers:
        await server.start()
    pcs = {server.name: FakePc(server) for server in servers}
    prepare(pcs)
    port = unused_port()
    copies = tuple(
        OrderedCopy(name=name, node=NodeId(name), is_here=False, order={"job": "job", "number": i})
        for i, name in enumerate(pcs)
    )
    charge = Charge(
        launch=launch(port, tuple(pcs)),
        copies=Copies(copies=copies, fewer=fewer, silent_s=600.0),
        hosts=pcs,
        api_key=None,
        copies_key=KEY,
        pace=Pace(look_every_s=0.01, start_again_after_s=0.01, lost_after_s=0.0),
        patience=Patience(pause_s=0.01, token_within_s=10.0, silent_s=600.0),
    )
    made = Home(pcs, f"http://127.0.0.1:{port}/v1/completions")
    conductor = Conductor(charge, made.states.append, made.said.append, made.kept_now)
    made.conductor = conductor
    task = asyncio.create_task(conductor.run())
    try:
        yield made, task
    finally:
        conductor.ask_to_stop("the test is over")
        await task
        for server in servers:
            await server.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(2 * LIMIT_S):
            await test()

    asyncio.run(limited())


def test_it_runs_once_every_copy_gave_a_token_and_ends_every_copy() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b", behaviour="silent")) as (one, task):
            waiting = "a: ready; b: waiting for the first token through the router"
            await one.until(lambda: one.states and one.states[-1] == Starting(phase=waiting))
            assert await one.status() == 503
            one.pcs["b"].server.behaviour = "good"
            one.pcs["b"].server.released.set()
            await one.is_running()
            assert await one.status() == 200
            one.conductor.ask_to_stop("down")
            assert await task == Stopped(reason="down")
            assert await one.status() == 0
            for name, share in (("a", "job.0"), ("b", "job.1")):
                assert ("copy.stop", share) in one.pcs[name].asked

    run(test)


def refusing(pcs: dict[str, FakePc]) -> None:
    pcs["b"].refuses = True


def test_a_copy_that_cannot_start_fails_the_job_and_ends_the_others() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b"), prepare=refusing) as (one, task):
            last = await task
            assert isinstance(last, Failed)
            assert last.reason == "the copy b failed: the cpu engine is not installed (install it)"
            assert ("copy.stop", "job.0") in one.pcs["a"].asked

    run(test)


def test_with_fewer_copies_allowed_it_goes_on_with_those_that_came_up() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b"), fewer=True, prepare=refusing) as (one, _):
            await one.is_running()
            assert await one.status() == 200
            assert [now["failure"] is None for now in one.kept] == [True, False]

    run(test)


def test_a_copy_that_crashes_is_started_again_under_a_new_name_and_serves_again() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b")) as (one, _):
            await one.is_running()
            b = one.pcs["b"]
            b.state = {"state": "failed", "reason": "the engine was killed", "log_tail": ["x"]}
            await one.until(lambda: ("copy.start", "job.3") in b.asked)
            await one.until(lambda: all(now["serves"] for now in one.kept))
            assert await one.status() == 200
            assert any("b: ended: the engine was killed" in line for line in one.said)

    run(test)


def test_a_job_whose_last_copy_ends_again_and_again_is_over_with_the_reason() -> None:
    async def test() -> None:
        async with home(FakeCopy("a")) as (one, task):
            await one.is_running()
            a = one.pcs["a"]
            for start in ("job.0", "job.1", "job.2"):
                await one.until(partial(a.was_asked, "copy.start", start))
                await one.until(lambda: one.kept[0]["serves"])
                a.state = {"state": "failed", "reason": "out of memory"}
            last = await task
            assert isinstance(last, Failed)
            assert last.reason == "the copy a failed: out of memory"

    run(test)


def test_a_pc_that_vanishes_is_routed_around_and_serves_again_when_it_is_back() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b")) as (one, _):
            await one.is_running()
            a, b = one.pcs["a"], one.pcs["b"]
            a.is_away = True
            a.server.behaviour = "silent"
            await one.until(lambda: one.kept[0]["router"]["state"] == "away")
            assert [await one.status() for _ in range(3)] == [200, 200, 200]
            assert len(b.server.asked) == 3
            a.is_away = False
            a.server.behaviour = "good"
            a.server.released.set()
            await one.until(lambda: one.kept[0]["serves"])

    run(test)


def test_a_pc_that_does_not_answer_at_the_end_does_not_hold_the_end() -> None:
    async def test() -> None:
        async with home(FakeCopy("a"), FakeCopy("b")) as (one, task):
            await one.is_running()
            one.pcs["b"].is_away = True
            one.conductor.ask_to_stop("down")
            assert await task == Stopped(reason="down")
            assert any("b: it does not answer; it ends by itself within" in s for s in one.said)

    run(test)
