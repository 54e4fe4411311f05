"""The use case `plan`: find the model and the cluster, ask the planner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins


def make_plans(
    cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins, nodes: Sequence[str] = ()
) -> PlanSet:
    """Plans of `spec` on `cluster`, or on those of its PCs that `nodes` names.

    Raises:
        InputError: a pin contradicts the model, another pin or the cluster.
    """
    check_pins(spec, pins)
    return plan(only(cluster, nodes), spec, workload, pins)


def only(cluster: Cluster, nodes: Sequence[str]) -> Cluster:
    """The cluster reduced to the named PCs and the links among them; all of it when none is named."""
    if not nodes:
        return cluster
    known = [node.id for node in cluster.nodes]
    for name in nodes:
        if name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.4)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise InputError(f"--nodes: there is no PC {name!r}", hint=hint)
    wanted = {NodeId(name) for name in nodes}
    return replace(
        cluster,
        nodes=tuple(node for node in cluster.nodes if node.id in wanted),
        links=tuple(link for link in cluster.links if {link.src, link.dst} <= wanted),
    )


def check_pins(spec: ModelSpec, pins: Pins) -> None:
    """Refuse pins that contradict the model or one another (InputError)."""
    if pins.partition is None:
        return
    if sum(pins.partition) != spec.layers:
        raise InputError(
            f"--partition {','.join(map(str, pins.partition))} adds up to {sum(pins.partition)} layers; "
            f"{spec.name} has {spec.layers}"
        )
    if pins.pipeline_parallel not in (None, len(pins.partition)):
        raise InputError(
            f"--partition names {len(pins.partition)} stages, --pipeline-parallel {pins.pipeline_parallel}"
        )
