"""Throughput of one pair, one way at a time, by iperf3 or by our own stream."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from threading import Event
from typing import Final

from netprobe.control.fields import Document, MalformedError, numbers
from netprobe.probes import blast, iperf3, ports
from netprobe.probes.iperf3_parse import Iperf3Run
from netprobe.probes.trouble import ProbeError
from netprobe.runner.client import CONNECT_S, Client, measuring
from netprobe.runner.latency import round_trips_under_load
from netprobe.stats import steady_rate
from netprobe.types import FailureKind, Plan

_LONGER: Final = 2.5
"""How much longer the second run takes when the first was not steady."""
_SKIP_S: Final = 0.15
"""Always dropped: bursts that a shaper or a Wi-Fi queue lets through at once."""
_MARGIN_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """What one direction carried; the loaded round trips were taken meanwhile."""

    bytes_per_s: float
    steady: bool
    rates_bytes_per_s: tuple[float, ...]
    sample_s: float
    retransmits: int | None = None
    congestion_control: str | None = None
    loaded_s: tuple[float, ...] = ()


async def one_way(client: Client, plan: Plan, *, back: bool, by_iperf3: bool) -> OneWay:
    """One direction, measured once, and once longer when the samples disagree and the plan has time.

    Raises:
        ProbeError: blackhole when a connection stands but no data passes, or as the tool says.
    """
    way = await _run(client, plan, plan.throughput_s, back=back, by_iperf3=by_iperf3)
    if not way.steady and plan.iperf3:
        way = await _run(client, plan, _LONGER * plan.throughput_s, back=back, by_iperf3=by_iperf3)
    if way.bytes_per_s <= 0:
        raise ProbeError(FailureKind.BLACKHOLE, "the connection stands, but no data passed")
    return way


async def _run(
    client: Client, plan: Plan, duration_s: float, *, back: bool, by_iperf3: bool
) -> OneWay:
    carry = _by_iperf3 if by_iperf3 else _by_blast
    if not plan.loaded:
        return await carry(client, duration_s, back=back)
    pings = asyncio.create_task(round_trips_under_load(client, duration_s))
    try:
        way = await carry(client, duration_s, back=back)
        return replace(way, loaded_s=await _or_none(pings))
    finally:
        pings.cancel()
        await asyncio.wait({pings})


async def _or_none(pings: asyncio.Task[tuple[float, ...]]) -> tuple[float, ...]:
    try:
        return await pings
    except ProbeError:
        return ()  # no echo under load: the report then has no grade, the throughput stands


async def _by_iperf3(client: Client, duration_s: float, *, back: bool) -> OneWay:
    async with measuring(client, "iperf3", duration_s + _MARGIN_S) as far:
        ours = await client.guard(
            iperf3.client(far.local, far.remote, duration_s=duration_s, back=back)
        )
        theirs = await far.finish()
    # Only the receiving end's intervals say what arrived.
    rates = ours.rates_bytes_per_s if back else _rates_in(theirs)
    return _way_of(ours, rates)


def _way_of(ours: Iperf3Run, rates: tuple[float, ...]) -> OneWay:
    rate = steady_rate(rates, skip=round(_SKIP_S / iperf3.SAMPLE_S))
    whole = ours.received_bytes_per_s or 0.0
    return OneWay(
        bytes_per_s=rate.bytes_per_s if rates else whole,
        steady=rate.steady,
        rates_bytes_per_s=rates,
        sample_s=iperf3.SAMPLE_S,
        retransmits=ours.retransmits,
        congestion_control=ours.congestion_control,
    )


async def _by_blast(client: Client, duration_s: float, *, back: bool) -> OneWay:
    carry = _blast_back if back else _blast_forward
    rates = await carry(client, duration_s)
    rate = steady_rate(rates, skip=round(_SKIP_S / blast.SAMPLE_S))
    return OneWay(
        bytes_per_s=rate.bytes_per_s,
        steady=rate.steady,
        rates_bytes_per_s=rates,
        sample_s=blast.SAMPLE_S,
    )


async def _blast_forward(client: Client, duration_s: float) -> tuple[float, ...]:
    async with measuring(client, "sink", duration_s) as far:

        def work(stop: Event) -> None:
            connection = ports.dial(far.local, far.remote, far.cookie, CONNECT_S)
            blast.send(connection, duration_s + blast.OVERRUN_S, stop)

        await client.guard(ports.in_thread(work, duration_s + _MARGIN_S))
        return _rates_in(await far.finish())


async def _blast_back(client: Client, duration_s: float) -> tuple[float, ...]:
    async with measuring(client, "source", duration_s) as far:

        def work(stop: Event) -> tuple[float, ...]:
            connection = ports.dial(far.local, far.remote, far.cookie, CONNECT_S)
            return blast.receive(connection, duration_s, stop)

        return await client.guard(ports.in_thread(work, duration_s + _MARGIN_S))


def _rates_in(seen: Document) -> tuple[float, ...]:
    try:
        return numbers(seen, "rates_bytes_per_s")
    except MalformedError as error:
        raise ProbeError(FailureKind.WRONG_SERVICE, f"senseless samples: {error}") from error
