"""Homes that the pages are drawn of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.problem import Pins
from homecluster.store.cluster_document import load_cluster
from homecluster.store.models import find_model
from homecluster.web.facts import saved_facts
from homecluster.web.page import PageFacts, page_document

HOTSPOT = Path(__file__).parents[2] / "docs" / "examples" / "hotspot.toml"
GPT2 = find_model("gpt2").spec
ONE_REQUEST = Serve(goal=Goal.LATENCY)
EVIL = '</script><script>document.title="taken"</script><img src=x onerror=alert(1)>\u202edesrever\x1b[31m'
LONG = "W" * 200


def hotspot_facts() -> PageFacts:
    return saved_facts(load_cluster(HOTSPOT), GPT2, ONE_REQUEST, Pins())


def hotspot_page() -> dict[str, Any]:
    return page_document(hotspot_facts())


def renamed(cluster: Cluster, old: str, new: str) -> Cluster:
    """The same home, one of its PCs under another name."""

    def name(node: NodeId) -> NodeId:
        return NodeId(new) if node == old else node

    return Cluster(
        nodes=tuple(
            replace(
                node,
                id=name(node.id),
                hostname=new if node.id == old else node.hostname,
                devices=tuple(
                    replace(d, node_id=name(d.node_id), id=DeviceId(d.id.replace(old, new)))
                    for d in node.devices
                ),
            )
            for node in cluster.nodes
        ),
        links=tuple(
            replace(link, src=name(link.src), dst=name(link.dst), medium=new + LONG)
            for link in cluster.links
        ),
    )


def hostile_page() -> dict[str, Any]:
    """A home whose PC, medium, job and log are named to break out of the page, or to fill it."""
    facts = saved_facts(renamed(load_cluster(HOTSPOT), "alice", EVIL), GPT2, ONE_REQUEST, Pins())
    job = {"id": EVIL, "model": EVIL, "state": "failed", "phase": None, "reason": EVIL}
    return page_document(replace(facts, jobs=(job | {"base_url": None, "predicted": None, "live": None},), log=(EVIL,)))  # fmt: skip
