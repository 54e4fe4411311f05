"""One probe of one pair, from the first hello to the report."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from netprobe.control.fields import Document
from netprobe.control.messages import Describe
from netprobe.probes import iperf3
from netprobe.probes.interface import interface_of
from netprobe.probes.trouble import ProbeError
from netprobe.report import parse_interface
from netprobe.runner import all_reduce, exchange, latency, load, throughput
from netprobe.runner.client import Client, connected
from netprobe.runner.findings import Findings
from netprobe.types import DEFAULT_PORT, FULL, FailureKind, Plan, Report

T = TypeVar("T")

OnProgress = Callable[[str], None]
_WAYS: Final = ("forward", "back")


async def probe(
    host: str,
    port: int = DEFAULT_PORT,
    *,
    token: bytes | None = None,
    ticket: str | None = None,
    plan: Plan = FULL,
    engine_python: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """What the link to the responder at host:port does; trouble is in its failures, never raised.

    With `engine_python` (and one at the far side) the engine's own all-reduce is timed as well.
    Dials only: works from behind NAT. Ends within its deadlines whatever the far side does.
    """
    findings = Findings(plan=plan, dst=host, started_at=datetime.now(UTC).isoformat())
    begin = time.monotonic()
    tell = on_progress or _silent
    try:
        tell(f"connecting to {host} port {port}")
        async with connected(host, port, token=token, ticket=ticket) as client:
            await _Run(client, findings, tell, engine_python).all()
    except ProbeError as error:
        findings.fail("control", error)
    return findings.report(src=socket.gethostname(), duration_s=time.monotonic() - begin)


def _silent(_: str) -> None:
    return


class _Run:
    """The probes in their order; each leaves its figure or its failure in the findings."""

    def __init__(
        self, client: Client, findings: Findings, tell: OnProgress, engine_python: Path | None
    ) -> None:
        self._client, self._findings, self._tell = client, findings, tell
        self._engine_python = engine_python
        self._plan = findings.plan

    async def all(self) -> None:
        far = await self._client.ask(Describe())
        self._interfaces(far)
        if self._plan.echo_count:
            await self._round_trip()
            await self._mtu()
        if self._plan.throughput_s:
            await self._throughput(far)
        if self._plan.loaded and self._findings.echoes is not None:
            await self._loaded()
        if self._plan.exchange_sizes_bytes:
            sizes = self._plan.exchange_sizes_bytes
            curve = await self._try(
                "exchange", "exchanging messages", lambda: exchange.curve(self._client, sizes)
            )
            self._findings.exchange = curve or {}
        if (python := self._engine_python) is not None:
            seen = await self._try(
                "all_reduce",
                "the engine's all-reduce",
                lambda: all_reduce.curve(self._client, python),
            )
            self._findings.all_reduce = {seen.backend: seen.curve} if seen else {}

    def _interfaces(self, far: Document) -> None:
        findings = self._findings
        findings.src_address, findings.dst_address = map(
            str, (self._client.local[0], self._client.peer[0])
        )
        findings.interface = interface_of(str(self._client.local[0]))
        described = far.get("interface")
        try:
            if isinstance(described, dict):
                findings.far_interface = parse_interface(described)
        except (ValueError, KeyError) as error:
            raise ProbeError(
                FailureKind.WRONG_SERVICE, f"senseless description: {error}"
            ) from error

    async def _try(self, name: str, doing: str, step: Callable[[], Awaitable[T]]) -> T | None:
        """The step's result; None when it failed, with the failure noted."""
        self._tell(doing)
        if self._client.lost:
            gone = ProbeError(FailureKind.PEER_LOST, "not tried: the far side was lost before")
            self._findings.fail(name, gone)
            return None
        try:
            return await step()
        except ProbeError as error:
            self._findings.fail(name, error)
            return None

    async def _round_trip(self) -> None:
        plan, findings = self._plan, self._findings
        findings.echoes = await self._try(
            "round_trip", "round trips", lambda: latency.round_trips_udp(self._client, plan)
        )
        if plan.tcp_echo_count or findings.echoes is None:
            findings.warm = await self._try(
                "round_trip_tcp",
                "round trips by TCP",
                lambda: latency.round_trips_tcp(self._client, plan),
            )

    async def _mtu(self) -> None:
        if self._findings.echoes is None:
            return  # no datagram came back: that is told already
        rtt_s = max(self._findings.echoes.round_trips_s)
        found = await self._try("mtu", "packet size", lambda: latency.find_mtu(self._client, rtt_s))
        if found is None:
            return
        self._findings.mtu_bytes = found.mtu_bytes
        if found.blackhole:
            detail = (
                f"packets larger than {found.mtu_bytes} bytes vanish without notice although the "
                f"interface takes {found.interface_mtu_bytes}: set its MTU to {found.mtu_bytes}"
            )
            self._findings.fail("mtu", ProbeError(FailureKind.BLACKHOLE, detail))

    async def _throughput(self, far: Document) -> None:
        """By iperf3 where both ends have it; by our own stream where not, or where it fails on a live link."""
        findings = self._findings
        version = await self._iperf3_version(far) if self._plan.iperf3 else None
        if version is not None:
            findings.tool = f"iperf3 {version}"
            findings.ways = await self._both_ways(by_iperf3=True)
            if len(findings.ways) == len(_WAYS) or self._client.lost:
                return
        findings.tool = "builtin"
        findings.ways = await self._both_ways(by_iperf3=False)

    async def _both_ways(self, *, by_iperf3: bool) -> dict[str, throughput.OneWay]:
        ways: dict[str, throughput.OneWay] = {}
        for name in _WAYS:
            way = await self._way(name, by_iperf3=by_iperf3)
            if way is not None:
                ways[name] = way
            elif by_iperf3:
                break  # the other way would fail as slowly
        return ways

    async def _way(self, name: str, *, by_iperf3: bool) -> throughput.OneWay | None:
        return await self._try(
            f"throughput_{name}",
            f"throughput {name}",
            lambda: throughput.one_way(
                self._client, self._plan, back=name == "back", by_iperf3=by_iperf3
            ),
        )

    async def _loaded(self) -> None:
        for name in self._findings.ways:
            times = await self._try(
                f"loaded_round_trip_{name}",
                f"round trips with {name} full",
                partial(load.round_trips_under_load, self._client, back=name == "back"),
            )
            if times is not None:
                self._findings.loaded_s[name] = times

    async def _iperf3_version(self, far: Document) -> str | None:
        """Of this side's, when both ends have it; notes the failure and the hint when not."""
        near, there = await iperf3.version(), far.get("iperf3")
        if near is not None and isinstance(there, str):
            return near
        where = "this PC" if near is None else self._findings.dst
        detail = f"no iperf3 on {where}, the built-in stream is used: {iperf3.INSTALL_HINT}"
        self._findings.fail("throughput", ProbeError(FailureKind.TOOL_MISSING, detail))
        return None
