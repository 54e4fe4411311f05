"""What was observed of PCs, links, members and a job, in figures; nothing here says what it means.

Every field may be unknown (None or empty): half of the members may be gone, and no PC can tell everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import WslMode
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Member


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuSigns:
    """One GPU over the time of watching."""

    index: int
    name: str = ""
    busy_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_of_jobs_bytes: int | None = None
    memory_of_desktop_bytes: int | None = None
    """Held by the desktop, a browser, a game: by processes that are none of our jobs, or by Windows."""
    clock_hz: float | None = None
    clock_max_hz: float | None = None
    throttled_by: tuple[str, ...] = ()
    """`heat` or `power`, as the driver says."""
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceSigns:
    """A network interface with an IP address."""

    name: str
    kind: str
    """As netprobe tells them apart: wired, wifi, hotspot, vpn, docker, …"""
    address: str
    is_advertised: bool = False
    """The address that this PC tells the others."""
    mtu_bytes: int | None = None
    power_save: bool | None = None
    """Wi-Fi only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleProcess:
    """A process of an engine that belongs to no job any more."""

    pid: int
    name: str
    gpu_memory_bytes: int = 0
    port: int | None = None
    """A port on which it listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSigns:
    """One PC over the time of watching."""

    node: NodeId
    os: str | None = None
    cores: int | None = None
    job_busy_cores: float | None = None
    other_busy_cores: float | None = None
    """Cores that everything but our jobs keeps busy."""
    cpu_stall_ratio: float | None = None
    """Share of time in which something waited for a core (PSI `cpu some`)."""
    quota_throttled_ratio: float | None = None
    """Share of time in which a control group's CPU quota held us back."""
    clock_hz: float | None = None
    clock_max_hz: float | None = None
    throttled_by: tuple[str, ...] = ()
    """`heat` where the kernel's counter of thermal throttling rose."""
    temperature_c: float | None = None
    on_battery: bool | None = None
    power_profile: str | None = None
    """`power-saver`, `balanced`, `performance`, or the name of the cpufreq governor."""
    ram_total_bytes: int | None = None
    ram_available_bytes: int | None = None
    windows_ram_bytes: int | None = None
    """WSL2: what the PC has, of which WSL gets `ram_total_bytes`."""
    swapped_bytes_per_s: float | None = None
    """In and out together."""
    memory_stall_ratio: float | None = None
    """PSI `memory some`."""
    io_stall_ratio: float | None = None
    """PSI `io some`."""
    disk_read_bytes_per_s: float | None = None
    clock_offset_s: float | None = None
    """This PC's clock less the asking PC's."""
    host_name: str | None = None
    host_name_address: str | None = None
    """What this PC's own name resolves to on it."""
    interfaces: tuple[InterfaceSigns, ...] = ()
    wsl_mode: WslMode | None = None
    stale: tuple[StaleProcess, ...] = ()
    gpus: tuple[GpuSigns, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFailure:
    """One probe that gave no figure; the kinds are netprobe's."""

    probe: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkSigns:
    """One direction between two PCs."""

    src: NodeId
    dst: NodeId
    rtt_s: float | None = None
    """Median on the idle link."""
    rtt_p95_s: float | None = None
    rtt_min_s: float | None = None
    first_packet_s: float | None = None
    """Round trip of the first packet after a pause."""
    loaded_rtt_s: float | None = None
    """Median while this direction is full."""
    echoes: int | None = None
    echoes_lost: int | None = None
    bandwidth_bytes_per_s: float | None = None
    rate_is_rough: bool = False
    """Of half a second in which it swung: good for a plan, not for an accusation."""
    retransmits: int | None = None
    carried_bytes: float | None = None
    """Moved while `retransmits` was counted."""
    congestion_control: str | None = None
    together_ratio: float | None = None
    """Rate while another pair of PCs talks, over the rate alone."""
    path_mtu_bytes: int | None = None
    interface_mtu_bytes: int | None = None
    interface_kind: str | None = None
    opens: bool | None = None
    """A TCP connection this way to a port that is known to listen succeeds."""
    is_there: bool | None = None
    """It answers below IP (ARP), whatever becomes of connections; None in another network."""
    failures: tuple[LinkFailure, ...] = ()
    watched_rtt_s: float | None = None
    """Of the link watch since its last change: the agents' own messages, which take longer than bare packets."""
    usual_rtt_s: float | None = None
    """Likewise, before its last change."""
    usual_bandwidth_bytes_per_s: float | None = None
    worse_since: str | None = None
    """UTC, ISO 8601: when the link watch saw it get worse."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LostWorker:
    """A PC that joined the job's workers and was given up, without a word from it."""

    node: NodeId
    alive_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSigns:
    """A job over the time of watching."""

    job: str
    state: str
    """starting or running."""
    phase: str = ""
    elapsed_s: float | None = None
    """Since it was started."""
    window_s: float | None = None
    """How long was watched."""
    output_tokens_per_s: float | None = None
    token_interval_s: float | None = None
    requests_running: float | None = None
    requests_waiting: float | None = None
    preemptions: float | None = None
    """Requests thrown out of the KV cache while watching."""
    kv_cache_usage_ratio: float | None = None
    scheduler_busy_ratio: float | None = None
    """Share of one core that the engine's own scheduler process uses."""
    lost_workers: tuple[LostWorker, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """How members find their coordinator."""

    found_by_multicast: int | None = None
    """Members that hear it by multicast."""
    found_one_by_one: int | None = None
    """Members to which it answers the same question at its own address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """All that was seen."""

    nodes: tuple[NodeSigns, ...] = ()
    links: tuple[LinkSigns, ...] = ()
    members: tuple[Member, ...] = ()
    job: JobSigns | None = None
    around: Neighbourhood | None = None
    versions: tuple[tuple[NodeId, tuple[tuple[str, str], ...]], ...] = ()
    """(PC, its (software, version) pairs)."""
    unseen: tuple[tuple[NodeId, str], ...] = ()
    """(PC, why it told nothing)."""

    def node(self, node_id: NodeId) -> NodeSigns | None:
        return next((one for one in self.nodes if one.node == node_id), None)

    def link(self, src: NodeId, dst: NodeId) -> LinkSigns | None:
        return next((one for one in self.links if (one.src, one.dst) == (src, dst)), None)
