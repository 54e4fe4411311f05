"""Round trips of one pair: idle, after a pause, under load; and the path's MTU."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Event
from typing import Final

from netprobe.probes import echo, path_mtu, ports
from netprobe.probes.interface import DEFAULT_MTU_BYTES, interface_of, mtu_of
from netprobe.probes.path_mtu import PathMtu
from netprobe.probes.trouble import ProbeError
from netprobe.runner.client import CONNECT_S, Client, measuring
from netprobe.stats import quantile
from netprobe.types import FailureKind, Loaded, Plan, RoundTrip

PAUSE_S: Final = 0.2
"""Longer than the beacon interval (0.1 s) at which a sleeping Wi-Fi radio wakes."""
_TCP_LIMIT_S: Final = 0.4
_MARGIN_S: Final = 6.0
_MTU_WAIT_S: Final = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Warm:
    """Idle round trips by TCP, then first packets after a pause."""

    round_trips_s: tuple[float, ...]
    first_packets_s: tuple[float, ...]


async def round_trips_udp(client: Client, plan: Plan) -> echo.Echoes:
    """Raises ProbeError timed_out when not one datagram came back."""
    echoes = await _ping(client, plan.echo_count, plan.echo_interval_s)
    if not echoes.round_trips_s:
        raise ProbeError(
            FailureKind.TIMED_OUT,
            f"none of {echoes.sent} UDP datagrams came back: a firewall may drop UDP to this PC's peer",
        )
    return echoes


async def _ping(client: Client, count: int, interval_s: float) -> echo.Echoes:
    duration_s = count * interval_s + _MARGIN_S
    async with measuring(client, "echo_udp", duration_s) as far:
        udp = ports.open_udp(far.local)
        return await client.guard(
            ports.in_thread(
                lambda stop: echo.ping_udp(
                    udp, far.remote, far.cookie, count=count, interval_s=interval_s, stop=stop
                ),
                duration_s,
            )
        )


async def round_trips_tcp(client: Client, plan: Plan) -> Warm:
    """Idle round trips and first packets after pauses, over one TCP connection."""
    async with measuring(client, "echo_tcp", _TCP_LIMIT_S + _MARGIN_S) as far:

        def work(stop: Event) -> Warm:
            connection = ports.dial(far.local, far.remote, far.cookie, CONNECT_S)
            warm, idle = echo.ping_tcp(
                connection,
                count=max(plan.tcp_echo_count, 1),
                pauses=plan.idle_pauses,
                pause_s=PAUSE_S,
                limit_s=_TCP_LIMIT_S,
                stop=stop,
            )
            return Warm(round_trips_s=warm, first_packets_s=idle)

        return await client.guard(ports.in_thread(work, _TCP_LIMIT_S + _MARGIN_S))


def summary(round_trips_s: tuple[float, ...], *, sent: int, via: str) -> RoundTrip:
    """Assumes at least one round trip."""
    return RoundTrip(
        min_s=min(round_trips_s),
        p50_s=quantile(round_trips_s, 0.5),
        p95_s=quantile(round_trips_s, 0.95),
        p99_s=quantile(round_trips_s, 0.99),
        sent=sent,
        lost=sent - len(round_trips_s),
        via=via,
    )


def loaded(round_trips_s: tuple[float, ...]) -> Loaded | None:
    """None without samples."""
    if not round_trips_s:
        return None
    return Loaded(p50_s=quantile(round_trips_s, 0.5), p95_s=quantile(round_trips_s, 0.95))


async def find_mtu(client: Client, rtt_s: float | None) -> PathMtu:
    """The largest packet that the path carries from here."""
    interface = interface_of(str(client.local[0]))
    top = mtu_of(interface.name) if interface else DEFAULT_MTU_BYTES
    wait_s = _MTU_WAIT_S + 3 * (rtt_s or 0.1)
    async with measuring(client, "mtu", _MARGIN_S + 70 * wait_s) as far:
        udp = ports.open_udp(far.local)
        return await client.guard(
            ports.in_thread(
                lambda stop: path_mtu.discover(
                    udp,
                    far.remote,
                    far.cookie,
                    wait_s=wait_s,
                    interface_mtu_bytes=top,
                    stop=stop,
                ),
                _MARGIN_S + 70 * wait_s,
            )
        )
