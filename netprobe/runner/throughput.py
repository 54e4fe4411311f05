"""Throughput of one pair, one way at a time, by iperf3 or by our own stream."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Event
from typing import Final

from netprobe.control.fields import Document, MalformedError, numbers
from netprobe.probes import blast, iperf3, ports
from netprobe.probes.iperf3_parse import Iperf3Run
from netprobe.probes.trouble import ProbeError
from netprobe.runner.client import CONNECT_S, Client, measuring
from netprobe.stats import settled, steady_rate
from netprobe.types import FailureKind, Plan

_LONGER: Final = 1.5
"""How much longer the second run takes when the first was not steady."""
_SKIP_S: Final = 0.15
"""Always dropped: bursts that a shaper or a Wi-Fi queue lets through at once."""
_MARGIN_S: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OneWay:
    """What one direction carried, warm-up dropped."""

    bytes_per_s: float
    steady: bool
    rates_bytes_per_s: tuple[float, ...]
    sample_s: float
    retransmits: int | None = None
    congestion_control: str | None = None


async def one_way(client: Client, plan: Plan, *, back: bool, by_iperf3: bool) -> OneWay:
    """One direction; once more and longer when the samples disagree and the plan has time.

    Raises:
        ProbeError: blackhole when a connection stands but no data passes, or as the tool says.
    """
    carry = _by_iperf3 if by_iperf3 else _by_blast
    way = await carry(client, plan.throughput_s, back=back)
    if not way.steady and plan.second_run:
        way = _pooled(way, await carry(client, _LONGER * plan.throughput_s, back=back))
    if way.bytes_per_s <= 0:
        raise ProbeError(FailureKind.BLACKHOLE, "the connection stands, but no data passed")
    return way


def _pooled(first: OneWay, second: OneWay) -> OneWay:
    rates = first.rates_bytes_per_s + second.rates_bytes_per_s
    counts = [way.retransmits for way in (first, second) if way.retransmits is not None]
    rate = steady_rate(rates)
    return replace(
        second,
        bytes_per_s=rate.bytes_per_s,
        steady=rate.steady,
        rates_bytes_per_s=rates,
        retransmits=sum(counts) if counts else None,
    )


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
    kept = settled(rates, skip=round(_SKIP_S / iperf3.SAMPLE_S))
    rate = steady_rate(kept)
    whole = ours.received_bytes_per_s or 0.0
    return OneWay(
        bytes_per_s=rate.bytes_per_s if kept else whole,
        steady=rate.steady,
        rates_bytes_per_s=kept,
        sample_s=iperf3.SAMPLE_S,
        retransmits=ours.retransmits,
        congestion_control=ours.congestion_control,
    )


async def _by_blast(client: Client, duration_s: float, *, back: bool) -> OneWay:
    carry = _blast_back if back else _blast_forward
    kept = settled(await carry(client, duration_s), skip=round(_SKIP_S / blast.SAMPLE_S))
    rate = steady_rate(kept)
    return OneWay(
        bytes_per_s=rate.bytes_per_s,
        steady=rate.steady,
        rates_bytes_per_s=kept,
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
