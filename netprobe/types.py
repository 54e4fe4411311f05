"""What a probe of one pair of hosts yields, and what can go wrong; frozen values in base units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

DEFAULT_PORT: Final = 17523
"""Below the ephemeral range, so that no outgoing connection takes it by chance."""


class FailureKind(StrEnum):
    """The closed vocabulary of what can go wrong on the way to a figure."""

    REFUSED = "refused"
    NO_ROUTE = "no_route"
    UNKNOWN_HOST = "unknown_host"
    TIMED_OUT = "timed_out"
    BLACKHOLE = "blackhole"
    """Small packets pass, large ones vanish without notice."""
    PEER_LOST = "peer_lost"
    """The far side went away in mid-measurement."""
    BUSY = "busy"
    TOOL_MISSING = "tool_missing"
    TOOL_FAILED = "tool_failed"
    WRONG_SERVICE = "wrong_service"
    VERSION = "version"
    UNAUTHORISED = "unauthorised"
    NOT_PERMITTED = "not_permitted"
    """This PC's own rules (firewall, privileges) forbid it."""
    PORT_TAKEN = "port_taken"


class InterfaceKind(StrEnum):
    WIRED = "wired"
    WIFI = "wifi"
    HOTSPOT = "hotspot"
    VPN = "vpn"
    THUNDERBOLT = "thunderbolt"
    DOCKER = "docker"
    VIRTUAL = "virtual"
    LOOPBACK = "loopback"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One probe that gave no figure."""

    probe: str
    kind: FailureKind
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The interface that carries the link on one host, and why it is taken for its kind."""

    name: str
    kind: InterfaceKind
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrip:
    """Of a warmed, idle link."""

    min_s: float
    p50_s: float
    p95_s: float
    p99_s: float
    sent: int
    lost: int
    via: str = "udp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """Payload received per second after the warm-up, each way; None where that way failed."""

    forward_bytes_per_s: float | None
    back_bytes_per_s: float | None
    tool: str
    """`iperf3 3.12` or `builtin`."""
    congestion_control: str | None
    forward_retransmits: int | None
    back_retransmits: int | None
    steady: bool
    """Both ways: the samples agree well enough for the mean to be believed within 5 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    p50_s: float
    p95_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedRoundTrip:
    """Round trip while one direction is full; `grade` on the dslreports scale."""

    forward: Loaded | None
    back: Loaded | None
    grade: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Exchanges of one size: the typical one, and what one of many in a chain takes."""

    size_bytes: int
    p50_s: float
    mean_s: float | None = None
    """None in reports of earlier versions."""


Samples = Mapping[str, tuple[float, ...]]
"""Name, ending in its unit -> every sample behind a figure, in the order taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that one probe of one pair found; `forward` is from src to dst."""

    src: str
    dst: str
    plan: str
    started_at: str
    """UTC, ISO 8601; a label only, durations come from the monotonic clock."""
    duration_s: float = 0.0
    interface: Interface | None = None
    far_interface: Interface | None = None
    src_address: str | None = None
    dst_address: str | None = None
    round_trip: RoundTrip | None = None
    idle_first_packet_s: float | None = None
    """Median round trip of the first packet after a pause: beyond p50 it is power saving."""
    throughput: Throughput | None = None
    loaded_round_trip: LoadedRoundTrip | None = None
    exchange: tuple[CurvePoint, ...] = ()
    all_reduce: Mapping[str, tuple[CurvePoint, ...]] = field(default_factory=dict)
    mtu_bytes: int | None = None
    failures: tuple[Failure, ...] = ()
    samples: Samples = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which probes run, and for how long; a probe of count or time 0 is left out."""

    name: str
    echo_count: int
    echo_interval_s: float
    tcp_echo_count: int
    idle_pauses: int
    throughput_s: float
    iperf3: bool
    second_run: bool
    """Measure an unsteady direction again, longer."""
    loaded: bool
    exchange_sizes_bytes: tuple[int, ...]


QUICK: Final = Plan(
    name="quick",
    echo_count=60,
    echo_interval_s=0.004,
    tcp_echo_count=0,
    idle_pauses=0,
    throughput_s=0.5,
    iperf3=False,
    second_run=False,
    loaded=False,
    exchange_sizes_bytes=(),
)
LATENCY: Final = replace(QUICK, name="latency", throughput_s=0.0)
STREAM: Final = replace(QUICK, name="stream", echo_count=0, throughput_s=0.7)
"""LATENCY and STREAM are the two halves of one pair of a matrix."""
FULL: Final = Plan(
    name="full",
    echo_count=100,
    echo_interval_s=0.005,
    tcp_echo_count=60,
    idle_pauses=2,
    throughput_s=2.0,
    iperf3=True,
    second_run=True,
    loaded=True,
    exchange_sizes_bytes=(64, 256, 1024, 4096, 16384, 65536, 262144, 1048576),
)
PLANS: Final = {plan.name: plan for plan in (QUICK, FULL, LATENCY, STREAM)}
