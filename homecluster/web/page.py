"""Everything that one page shows, as one document: facts in, nothing looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from homecluster import __version__
from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.hardware import Node
from homecluster.domain.member import Health, Member
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster, Link
from homecluster.planner.link_places import link_places
from homecluster.planner.link_price import token_price_s, worth
from homecluster.planner.network import Fabric
from homecluster.planner.sensitivity import Sensitivity
from homecluster.store.diagnosis_document import diagnosis_document
from homecluster.store.plan_document import plan_document

SCHEMA: Final = "homecluster.page/1"
_SHOWN_PLANS = 12
_SHOWN_REFUSALS = 12
_ONE_PC = 1
_SILENT_S = 2.0
"""Two missed heartbeats: a person who pulls a cable looks at the page at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What is known at one moment."""

    cluster: Cluster
    plans: PlanSet
    diagnosis: Diagnosis | None
    members: Sequence[Member] = ()
    jobs: Sequence[Mapping[str, Any]] = ()
    """As `job_view` says them."""
    hosts: Sequence[Mapping[str, Any]] = ()
    """What each PC does for the running job, as `host_load` says it."""
    history: Sequence[Mapping[str, Any]] = ()
    """Links over time, as `link_histories` says them."""
    log: Sequence[str] = ()
    by_link: Sensitivity | None = None
    models: Sequence[str] = ()
    made_at: str
    live: bool


def page_document(facts: PageFacts) -> dict[str, Any]:
    """The whole page."""
    return {
        "schema": SCHEMA,
        "version": __version__,
        "made_at": facts.made_at,
        "live": facts.live,
        "cluster": cluster_view(facts.cluster, facts.plans, facts.members),
        "plan": plan_view(facts.plans),
        "diagnosis": diagnosis_document(facts.diagnosis) if facts.diagnosis else None,
        "jobs": [dict(job) for job in facts.jobs],
        "hosts": [dict(host) for host in facts.hosts],
        "history": [dict(entry) for entry in facts.history],
        "log": list(facts.log),
        "map": map_view(facts.by_link, facts.cluster) if facts.by_link else None,
        "models": list(facts.models),
    }


def plan_view(plans: PlanSet) -> dict[str, Any]:
    """The plan document with no more plans and refusals than a person looks at."""
    document = plan_document(plans)
    document["plans"] = document["plans"][:_SHOWN_PLANS]
    document["rejections"] = document["rejections"][:_SHOWN_REFUSALS]
    return document


def map_view(found: Sensitivity, cluster: Cluster) -> dict[str, Any]:
    """Tokens/s by round trip and bandwidth, and where this home's own links lie in it."""
    return asdict(found) | {"here": [asdict(place) for place in link_places(found, cluster)]}


def cluster_view(cluster: Cluster, plans: PlanSet, members: Sequence[Member]) -> dict[str, Any]:
    """PCs and directed links, each link with its price for this model."""
    by_node = {member.node: member for member in members}
    token_s = _one_pc_token_s(plans)
    fabric = Fabric(cluster)
    return {
        "nodes": [_node(node, by_node.get(node.id)) for node in cluster.nodes],
        "links": [_link(cluster, fabric, link, plans, token_s) for link in cluster.links],
    }


def _one_pc_token_s(plans: PlanSet) -> float | None:
    alone = [plan for plan in plans.plans if len(plan.nodes) == _ONE_PC]
    return min((plan.estimate.token_interval_s.mid for plan in alone), default=None)


def _node(node: Node, member: Member | None) -> dict[str, Any]:
    return {
        "id": node.id,
        "hostname": node.hostname,
        "os": node.os,
        "ram_bytes": node.ram_bytes,
        "wsl_mode": node.wsl_mode.value if node.wsl_mode else None,
        "health": _health(member) if member else None,
        "is_coordinator": member.is_coordinator if member else False,
        "devices": [
            {
                "name": device.name,
                "kind": device.kind.value,
                "memory_total_bytes": device.memory_total_bytes,
                "memory_bandwidth_bytes_per_s": device.memory_bandwidth_bytes_per_s,
            }
            for device in node.devices
        ],
    }


def _health(member: Member) -> str:
    """What the coordinator says, and `silent` while it still waits before it suspects anybody."""
    if member.health is Health.ALIVE and (member.last_seen_s or 0.0) > _SILENT_S:
        return "silent"
    return member.health.value


def _link(
    cluster: Cluster, fabric: Fabric, link: Link, plans: PlanSet, token_s: float | None
) -> dict[str, Any]:
    price_s = token_price_s(cluster, fabric, plans.model, link)
    return {
        "src": link.src,
        "dst": link.dst,
        "rtt_s": link.rtt_s,
        "bandwidth_bytes_per_s": link.bandwidth_bytes_per_s,
        "jitter_s": link.jitter_s,
        "loss_ratio": link.loss_ratio,
        "medium": link.medium,
        "provenance": link.provenance.value,
        "observed_at": link.observed_at,
        "price_s": price_s,
        "worth": worth(price_s, token_s).value,
    }
