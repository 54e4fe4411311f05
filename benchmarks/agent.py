"""How one coordinator bears 200 members and 10,000 requests, and what an idle agent costs.

`python -m benchmarks.agent [--members 200] [--requests 10000] [--idle 30]`; run it on a machine that does
nothing else. The members are real links with real TLS in one process beside the coordinator's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psutil

from homecluster.agent.desk import Desk
from homecluster.agent.folder import AgentFolder, make_folder
from homecluster.agent.identity import certify, key_sha256, make_key, read_key
from homecluster.agent.keeper import Keeper
from homecluster.agent.local import LocalAgent
from homecluster.agent.member import MemberLink
from homecluster.agent.member_requests import MemberRequests
from homecluster.agent.messages import Ask, Hello
from homecluster.app.join import agent_argv, create_cluster
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.store.cluster_state import ClusterState, Pin, write_state
from tests.ports import unused_port

_CONNECT_S = 180.0
_UP_S = 60.0
_ASK_S = 120.0


def prepare(folder: Path, members: int) -> tuple[Path, list[Path]]:
    """The coordinator's home and its members' homes, pinned without joining one by one."""
    home, port = folder / "a", unused_port()
    state = create_cluster(home, name="a", interface="lo", port=port)
    of = AgentFolder(home=home)
    cluster_key, certificate = read_key(of.cluster_key), of.cluster_certificate.read_bytes()
    pins, homes = [], []
    for number in range(members):
        own = AgentFolder(home=folder / f"m{number}")
        make_folder(own)
        key, node = make_key(own.node_key), NodeId(f"m{number}")
        own.cluster_certificate.write_bytes(certificate)
        own.node_certificate.write_bytes(
            certify(
                cluster_key,
                certificate,
                key.public_key(),
                cluster_id=state.cluster_id,
                node=node,
                is_coordinator=False,
            )
        )
        pins.append(
            Pin(node=node, key_sha256=key_sha256(key.public_key()), role=Role.WORKER, added_at="")
        )
        write_state(own.state, _member_state(state, node))
        homes.append(own.home)
    write_state(of.state, replace(state, pins=tuple(pins)))
    return home, homes


def _member_state(state: ClusterState, node: NodeId) -> ClusterState:
    return replace(
        state,
        node=node,
        role=Role.WORKER,
        is_coordinator=False,
        addresses=(("127.0.0.1", state.port),),
    )


async def load(homes: Sequence[Path], state: ClusterState, requests: int) -> dict[str, float]:
    """Seconds until all were connected, and how long requests took."""
    links = [_link(home, state) for home in homes]
    running = [asyncio.create_task(link.run()) for link in links]
    begun_s = time.monotonic()
    while not all(link.channel for link in links):
        if time.monotonic() - begun_s > _CONNECT_S:
            raise SystemExit("not all members connected")
        await asyncio.sleep(0.05)
    connected_s = time.monotonic() - begun_s
    took_s: list[float] = []
    errors = 0

    async def ask_often(link: MemberLink, count: int) -> None:
        nonlocal errors
        for number in range(count):
            before_s = time.monotonic()
            answer = await MemberRequests(link).ask(
                Ask(
                    id=f"{number}",
                    to=NodeId("a"),
                    verb="agent.echo",
                    body={"echo": number},
                    deadline_s=_ASK_S,
                )
            )
            took_s.append(time.monotonic() - before_s)
            errors += answer.error is not None or answer.body != {"echo": number}

    asked_s = time.monotonic()
    await asyncio.gather(*(ask_often(link, requests // len(links)) for link in links))
    whole_s = time.monotonic() - asked_s
    for task in running:
        task.cancel()
    cuts = statistics.quantiles(took_s, n=100)
    return {
        "all_connected_s": connected_s,
        "requests": len(took_s),
        "errors": errors,
        "requests_per_s": len(took_s) / whole_s,
        "p50_s": cuts[49],
        "p99_s": cuts[98],
    }


def _link(home: Path, state: ClusterState) -> MemberLink:
    async def nowhere() -> Sequence[tuple[str, int]]:
        return ()

    async def no_job(job: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        raise OSError(job)

    folder = AgentFolder(home=home)
    node = NodeId(home.name)
    return MemberLink(
        folder=folder,
        keeper=Keeper(folder.state, _member_state(state, node)),
        desk=Desk((), home, node),
        hello=Hello(instance=node, versions={}, interface=None, can_be_dialled=True),
        dial_job=no_job,
        find_addresses=nowhere,
    )


def idle(process: psutil.Process, seconds: float) -> dict[str, float]:
    """Memory and share of one core of an agent that nobody asks anything."""
    before, begun_s = process.cpu_times(), time.monotonic()
    time.sleep(seconds)
    after, span_s = process.cpu_times(), time.monotonic() - begun_s
    used_s = after.user + after.system - before.user - before.system
    return {
        "idle_memory_bytes": process.memory_info().rss,
        "idle_cpu_ratio": used_s / span_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=200)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        home, homes = prepare(Path(name), chosen.members)
        with subprocess.Popen(agent_argv(home)) as process:
            try:
                print(json.dumps(_measure(home, homes, process.pid, chosen), indent=2))
            finally:
                process.terminate()


def _measure(
    home: Path, homes: Sequence[Path], pid: int, chosen: argparse.Namespace
) -> dict[str, float]:
    agent, begun_s = LocalAgent(home), time.monotonic()
    while not AgentFolder(home=home).socket.exists() or not agent.status()["address"]:
        if time.monotonic() - begun_s > _UP_S:
            sys.exit("the coordinator did not come up")
        time.sleep(0.1)
    alone = idle(psutil.Process(pid), chosen.idle)
    status = agent.status()
    state = ClusterState(
        cluster_id=status["cluster_id"],
        name="a",
        cluster_key_sha256="",
        node=NodeId("a"),
        role=Role.OPERATOR,
        is_coordinator=True,
        epoch=1,
        interface=None,
        port=status["port"],
    )
    loaded = asyncio.run(load(homes, state, chosen.requests))
    return {"members": len(homes), **alone, **loaded}


if __name__ == "__main__":
    main()
