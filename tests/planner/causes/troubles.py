"""Every trouble of the list as it is seen, by the cause that it must be called."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from homecluster.domain.hardware import WslMode
from homecluster.domain.member import Health
from homecluster.domain.signs import InterfaceSigns, LinkFailure, LostWorker, StaleProcess
from homecluster.domain.units import GIB
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.problem import Pins
from tests.planner.causes.homes import (
    ONE,
    TENSOR,
    B,
    Home,
    Trouble,
    around_is,
    asked,
    gpu_is,
    job_is,
    link_is,
    node_is,
    planned_only,
)


def _hangs_at_loopback(home: Home) -> Home:
    starting = job_is(state="starting", phase="joining the other PCs", elapsed_s=3600.0)
    return node_is(host_name_address="127.0.1.1")(starting(home))


def _second_member_dead(home: Home) -> Home:
    members = tuple(
        replace(one, health=Health.DEAD, last_seen_s=40.0) if one.node == B else one
        for one in home.signs.members
    )
    return replace(home, signs=replace(home.signs, members=members))


def _other_vllm(home: Home) -> Home:
    members = tuple(
        replace(one, versions=(("vllm", "0.31.0"),)) if one.node == B else one
        for one in home.signs.members
    )
    return replace(home, signs=replace(home.signs, members=members))


def _firewall(*, one_way: bool) -> Trouble:
    return link_is(
        back_too=not one_way,
        opens=False,
        is_there=True,
        failures=(LinkFailure(probe="tcp", kind="timed_out"),),
    )


def _sleepy(home: Home) -> Home:
    return link_is(interface_kind="wifi", first_packet_s=0.09)(home)


def _thin_way_out(home: Home) -> Home:
    rate = home.cluster.links[0].bandwidth_bytes_per_s
    return link_is(
        back_too=False, bandwidth_bytes_per_s=rate / 400, usual_bandwidth_bytes_per_s=None
    )(home)


def _worse(home: Home) -> Home:
    rtt_s = home.signs.links[0].rtt_s or 0.0
    return link_is(
        rtt_s=rtt_s + 0.02, rtt_p95_s=rtt_s + 0.021, worse_since="2026-11-20T10:00:00+00:00"
    )(home)


VPN = InterfaceSigns(name="tailscale0", kind="vpn", address="100.64.0.2", is_advertised=True)
LAN = InterfaceSigns(name="eth0", kind="wired", address="192.168.1.9")

TROUBLES: MappingProxyType[str, tuple[str, Trouble]] = MappingProxyType(
    {
        "tensor parallel over a link": (
            "latency-bound-tensor-parallel",
            asked(pins=TENSOR, model="gpt2", workload=ONE),
        ),
        "tensor parallel, long prompts": (
            "thin-link",
            asked(pins=TENSOR, workload=Serve(concurrent_requests=16, prompt_tokens=1500, output_tokens=16)),
        ),
        "a thin uplink": ("asymmetric-uplink", _thin_way_out),
        "a full queue": ("bufferbloat", link_is(loaded_rtt_s=0.6)),
        "loss": ("packet-loss", link_is(echoes=400, echoes_lost=20)),
        "Wi-Fi that sleeps": ("wifi-power-save", _sleepy),
        "pairs in each other's way": ("shared-medium", link_is(together_ratio=0.5)),
        "a link that got worse": ("link-got-worse", _worse),
        "large packets vanish": (
            "mtu-blackhole",
            link_is(path_mtu_bytes=1420, failures=(LinkFailure(probe="path mtu", kind="blackhole"),)),
        ),
        "clients kept apart": (
            "client-isolation",
            link_is(opens=False, is_there=False, failures=(LinkFailure(probe="connection", kind="no_route"),)),
        ),
        "multicast dropped": ("multicast-dropped", around_is(found_by_multicast=0, found_one_by_one=2)),
        "VPN first": ("wrong-interface", node_is(interfaces=(VPN, LAN))),
        "127.0.1.1": ("loopback-host-name", _hangs_at_loopback),
        "WSL behind NAT": ("wsl-nat", node_is(os="wsl2", wsl_mode=WslMode.NAT)),
        "a firewall": ("firewall-drop", _firewall(one_way=False)),
        "a firewall, one way": ("firewall-drop", _firewall(one_way=True)),
        "Ray's worker dies": (
            "worker-alive-then-dead",
            job_is(state="starting", lost_workers=(LostWorker(node=B, alive_s=35.0, reason="health check failed"),)),
        ),
        "a PC asleep": ("member-gone", _second_member_dead),
        "another vLLM": ("mixed-versions", _other_vllm),
        "a wrong clock": ("clock-skew", node_is(clock_offset_s=-7200.0)),
        "an old engine on the card": (
            "stale-processes",
            node_is(stale=(StaleProcess(pid=4242, name="VLLM::EngineCore", gpu_memory_bytes=6 * GIB),)),
        ),
        "heat": ("throttled", gpu_is(throttled_by=("heat",), clock_hz=0.9e9)),
        "a hot processor": ("throttled", node_is(throttled_by=("heat",), clock_hz=1.2e9)),
        "on battery": ("power-saving", node_is(on_battery=True, clock_hz=1.4e9)),
        "a saving profile": ("power-saving", node_is(power_profile="power-saver", clock_hz=1.4e9)),
        "swapping": (
            "memory-pressure",
            node_is(memory_stall_ratio=0.4, swapped_bytes_per_s=5e7, ram_available_bytes=1 * GIB),
        ),
        "WSL's share of memory": (
            "wsl-memory-cap",
            node_is(
                os="wsl2", wsl_mode=WslMode.MIRRORED, windows_ram_bytes=16 * GIB,
                ram_total_bytes=8 * GIB, ram_available_bytes=GIB // 4, memory_stall_ratio=0.3,
            ),
        ),
        "a browser on the card": ("desktop-holds-video-memory", gpu_is(memory_of_desktop_bytes=6 * GIB)),
        "a compile job": ("busy-elsewhere", node_is(other_busy_cores=7.0, cpu_stall_ratio=0.6)),
        "a container's quota": ("cpu-quota", node_is(quota_throttled_ratio=0.7)),
        "a slow disk": (
            "disk-bound-load",
            lambda home: node_is(io_stall_ratio=0.8, disk_read_bytes_per_s=3e7)(
                job_is(state="starting", phase="loading weights", elapsed_s=60.0)(home)
            ),
        ),
        "a busy scheduler": (
            "host-overhead-bound",
            lambda home: job_is(scheduler_busy_ratio=0.99)(gpu_is(busy_ratio=0.2)(_all_idle(home))),
        ),
        "requests thrown out": ("kv-cache-too-small", job_is(preemptions=40.0, kv_cache_usage_ratio=0.99, requests_waiting=30.0)),
        "more requests than cache": (
            "kv-cache-too-small",
            planned_only(asked(workload=Serve(concurrent_requests=400, prompt_tokens=1500, output_tokens=500))),
        ),
        "a lopsided cut": (
            "uneven-split",
            asked(pins=Pins(tensor_parallel=1, pipeline_parallel=2, replicas=1, partition=(27, 13)), workload=Serve(concurrent_requests=2)),
        ),
        "one request for two stages": (
            "too-little-concurrency",
            asked(workload=Serve(concurrent_requests=1, goal=Goal.THROUGHPUT)),
        ),
        "too many PCs": (
            "distributing-does-not-pay",
            asked(model="llama-3-8b", workload=Serve(concurrent_requests=16)),
        ),
        "a model too large": ("cannot-run", asked(model="llama-2-70b")),
    }
)  # fmt: skip


def _all_idle(home: Home) -> Home:
    nodes = tuple(
        replace(one, gpus=tuple(replace(gpu, busy_ratio=0.2) for gpu in one.gpus))
        for one in home.signs.nodes
    )
    return replace(home, signs=replace(home.signs, nodes=nodes))


PAIRS = MappingProxyType(
    {
        ("a firewall", "heat"): "firewall-drop",
        ("swapping", "a wrong clock"): "clock-skew",
        ("heat", "WSL behind NAT"): "wsl-nat",
        ("loss", "another vLLM"): "mixed-versions",
        ("clients kept apart", "multicast dropped"): "client-isolation",
        ("a PC asleep", "127.0.1.1"): "loopback-host-name",
        ("a thin uplink", "on battery"): "asymmetric-uplink",
        ("swapping", "a browser on the card"): "memory-pressure",
    }
)
"""Two troubles at a time -> the one that must speak first."""
