"""Two healthy homes whose PCs serve one model together, and how a trouble changes what is seen of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.domain.signs import (
    GpuSigns,
    InterfaceSigns,
    JobSigns,
    LinkSigns,
    Neighbourhood,
    NodeSigns,
    Signs,
)
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.units import GIB
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.diagnosis import diagnose
from homecluster.planner.problem import Pins
from tests.builders import cluster, device, link, model, node

A, B = NodeId("a"), NodeId("b")
TENSOR = Pins(tensor_parallel=2, pipeline_parallel=1, replicas=1)
PIPELINE = Pins(tensor_parallel=1, pipeline_parallel=2, replicas=1)
ONE = Serve(concurrent_requests=1, goal=Goal.LATENCY)
MANY = Serve(concurrent_requests=16)
VERSIONS = (("vllm", "0.32.0"), ("torch", "2.13.0"), ("homecluster", "0.1.0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A cluster, what runs on it, and what was just seen."""

    cluster: Cluster
    signs: Signs
    model: str = "llama-2-13b"
    workload: Serve = MANY
    pins: Pins = PIPELINE

    def diagnose(self) -> Diagnosis:
        return diagnose(self.cluster, model(self.model), self.workload, self.pins, self.signs)

    def ids(self) -> list[str]:
        return [cause.id for cause in self.diagnose().causes]


Trouble = Callable[[Home], Home]


def cable() -> Home:
    """Two towers of 24 GiB on 10 Gbit/s."""
    return _home(
        link(latency_s=0.05e-3, bandwidth_bytes_per_s=1.17e9, jitter_s=0.01e-3), "wired", 24
    )


def wifi() -> Home:
    """Two laptops on Wi-Fi 5, which share the air."""
    return _home(
        link(latency_s=1.5e-3, bandwidth_bytes_per_s=18.7e6, jitter_s=0.5e-3, medium="air"),
        "wifi",
        20,
    )


def alone() -> Home:
    """One of the towers by itself with a model that it holds."""
    home = cable()
    return replace(
        home,
        cluster=Cluster(nodes=home.cluster.nodes[:1]),
        signs=Signs(nodes=home.signs.nodes[:1], job=home.signs.job),
        model="gpt2",
        pins=Pins(replicas=1),
    )


HOMES = {"cable": cable, "wifi": wifi}


def _home(like: Link, kind: str, memory_gib: int) -> Home:
    size = memory_gib * GIB
    cards = [device(n, memory_total_bytes=size, memory_free_bytes=size) for n in "ab"]
    facts = cluster(
        *(node(card.node_id, card, versions=VERSIONS) for card in cards),
        latency_s=like.latency_s,
        bandwidth_bytes_per_s=like.bandwidth_bytes_per_s,
        jitter_s=like.jitter_s,
        medium=like.medium,
    )
    return Home(
        cluster=facts,
        signs=Signs(
            nodes=(_node(A, kind, size), _node(B, kind, size)),
            links=(_link(A, B, like, kind), _link(B, A, like, kind)),
            members=(_member(A, here=True), _member(B, here=False)),
            job=JobSigns(
                job="j",
                state="running",
                window_s=5.0,
                requests_running=16.0,
                requests_waiting=0.0,
                preemptions=0.0,
                kv_cache_usage_ratio=0.5,
                scheduler_busy_ratio=0.4,
            ),
            around=Neighbourhood(found_by_multicast=1, found_one_by_one=1),
        ),
    )


def _node(name: NodeId, kind: str, size: int) -> NodeSigns:
    return NodeSigns(
        node=name,
        os="linux",
        cores=8,
        job_busy_cores=1.2,
        other_busy_cores=0.3,
        cpu_stall_ratio=0.01,
        quota_throttled_ratio=0.0,
        clock_hz=3.9e9,
        clock_max_hz=4.1e9,
        on_battery=False,
        power_profile="balanced",
        ram_total_bytes=64 * GIB,
        ram_available_bytes=50 * GIB,
        swapped_bytes_per_s=0.0,
        memory_stall_ratio=0.0,
        io_stall_ratio=0.01,
        clock_offset_s=0.02,
        host_name=name,
        host_name_address=f"192.168.1.{ord(name[-1])}",
        interfaces=(
            InterfaceSigns(
                name="eth0", kind=kind, address=f"192.168.1.{ord(name[-1])}", is_advertised=True
            ),
            InterfaceSigns(name="docker0", kind="docker", address="172.17.0.1"),
        ),
        gpus=(
            GpuSigns(
                index=0,
                name="round card",
                busy_ratio=0.7,
                memory_total_bytes=size,
                memory_of_desktop_bytes=400 * 1024**2,
                clock_hz=1.75e9,
                clock_max_hz=1.9e9,
                temperature_c=70.0,
            ),
        ),
    )


def _link(src: NodeId, dst: NodeId, like: Link, kind: str) -> LinkSigns:
    rtt_s = 2 * like.latency_s
    return LinkSigns(
        src=src,
        dst=dst,
        rtt_s=rtt_s,
        rtt_p95_s=rtt_s + 1.645 * like.jitter_s,
        rtt_min_s=0.8 * rtt_s,
        first_packet_s=rtt_s + 0.003,
        loaded_rtt_s=rtt_s + 0.03,
        echoes=400,
        echoes_lost=1,
        bandwidth_bytes_per_s=like.bandwidth_bytes_per_s,
        retransmits=3,
        carried_bytes=1e7,
        path_mtu_bytes=1500,
        interface_mtu_bytes=1500,
        interface_kind=kind,
        together_ratio=0.97,
        opens=True,
        is_there=True,
        usual_rtt_s=rtt_s * 0.9,
        usual_bandwidth_bytes_per_s=like.bandwidth_bytes_per_s * 1.1,
    )


def _member(name: NodeId, *, here: bool) -> Member:
    return Member(
        node=name,
        name=name,
        role=Role.OPERATOR,
        health=Health.ALIVE,
        is_coordinator=here,
        is_here=here,
        address="192.168.1.2",
        interface="eth0",
        can_be_dialled=True,
        last_seen_s=0.5,
        versions=VERSIONS,
    )


def node_is(**changes: Any) -> Trouble:
    """The second PC is seen like this."""

    def apply(home: Home) -> Home:
        nodes = tuple(
            replace(one, **changes) if one.node == home.signs.nodes[-1].node else one
            for one in home.signs.nodes
        )
        return replace(home, signs=replace(home.signs, nodes=nodes))

    return apply


def gpu_is(**changes: Any) -> Trouble:
    """The second PC's card is seen like this."""

    def apply(home: Home) -> Home:
        gpus = tuple(replace(gpu, **changes) for gpu in home.signs.nodes[-1].gpus)
        return node_is(gpus=gpus)(home)

    return apply


def link_is(*, back_too: bool = True, **changes: Any) -> Trouble:
    """The link is seen like this, both ways or only from a to b."""

    def apply(home: Home) -> Home:
        links = tuple(
            replace(one, **changes) if back_too or one.src == A else one for one in home.signs.links
        )
        return replace(home, signs=replace(home.signs, links=links))

    return apply


def job_is(**changes: Any) -> Trouble:
    def apply(home: Home) -> Home:
        assert home.signs.job is not None
        return replace(home, signs=replace(home.signs, job=replace(home.signs.job, **changes)))

    return apply


def around_is(**changes: Any) -> Trouble:
    def apply(home: Home) -> Home:
        return replace(home, signs=replace(home.signs, around=Neighbourhood(**changes)))

    return apply


def asked(**changes: Any) -> Trouble:
    """Another model, workload or pins."""
    return lambda home: replace(home, **changes)


def planned_only(trouble: Trouble) -> Trouble:
    """Nothing runs yet."""
    return lambda home: replace(trouble(home), signs=Signs())


def both(first: Trouble, second: Trouble) -> Trouble:
    return lambda home: second(first(home))


def slow_second_card(home: Home) -> Home:
    """Tensor parallel over a fast and a slow card, on a link that does not matter."""
    slow = device("b", memory_bandwidth_bytes_per_s=1e11, name="old card")
    quick = {"latency_s": 2e-6, "bandwidth_bytes_per_s": 2e10}
    return replace(
        home,
        cluster=cluster(node("a"), node("b", slow), **quick),
        signs=Signs(job=home.signs.job),
        model="llama-3-8b",
        workload=ONE,
        pins=TENSOR,
    )
