"""Which layouts exist for a model on a cluster, costed, and which are refused."""

from __future__ import annotations

from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.planner import candidates, copy_sets, rules
from homecluster.planner.estimate import Estimator
from homecluster.planner.found import Result
from homecluster.planner.problem import Pins, Problem
from homecluster.planner.rules import Refusal
from homecluster.planner.search_memory import SearchMemory


def search(cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins) -> Result:
    """Cost every copy inside one PC, every copy over several, and sets of copies.

    Sets take the best copies of each PC, and disjoint copies over several PCs; that is not yet every
    combination. Cost: one estimate per copy; subsets of PCs and links that are alike are costed once.
    """
    problem = Problem(cluster, spec, workload, pins)
    seen = SearchMemory(problem, Estimator(cluster, spec, workload, pins.small_collectives))
    refusal = rules.refuse_model(spec, workload.context_tokens)
    if refusal is not None:
        seen.reject(1, 1, 1, [node.id for node in problem.nodes], refusal)
    else:
        _look(seen)
        _explain_pins(seen)
    return seen.result


def _look(seen: SearchMemory) -> None:
    problem = seen.problem
    local = {
        node.id: seen.prepared(candidates.local_copies(problem, node)) for node in problem.nodes
    }
    spanning = seen.prepared(candidates.spanning_copies(problem))
    wanted = problem.pins.replicas
    if wanted in {None, 1}:
        for ready in [*(one for copies in local.values() for one in copies), *spanning]:
            seen.keep([ready])
    if wanted != 1:
        sets = {node_id: copy_sets.inside_a_pc(seen, copies) for node_id, copies in local.items()}
        copy_sets.over_pcs(seen, sets)
        copy_sets.over_disjoint_pcs(seen, spanning)
        if problem.pins.free:
            copy_sets.with_carved(seen, sets)


def _explain_pins(seen: SearchMemory) -> None:
    """A pinned size that no device set can meet is refused by name, not by silence."""
    problem, result = seen.problem, seen.result
    pins = problem.pins
    tensor, replicas = pins.tensor_parallel or 1, pins.replicas or 1
    pipeline = pins.pipeline_parallel or len(pins.partition or (1,))
    is_room = tensor * pipeline * replicas <= len(problem.devices)
    if result.found or (result.rejections and is_room):
        return
    refusal = (
        rules.refuse_tensor_parallel(problem.spec, tensor)
        or rules.refuse_pipeline_parallel(problem.spec, pipeline)
        or Refusal(
            rule="not-enough-devices",
            detail=_too_many(tensor * pipeline, replicas, len(problem.devices)),
        )
    )
    seen.reject(tensor, pipeline, replicas, [node.id for node in problem.nodes], refusal)


def _too_many(devices_each: int, copies: int, devices: int) -> str:
    there = f"the PCs have {devices} that vLLM can use"
    if devices_each == 1:
        return f"{copies} whole copies need {copies} devices, one each; {there}"
    copy = "one copy needs" if copies == 1 else f"{copies} copies need"
    return f"{copy} {devices_each * copies} like devices, placed evenly over the PCs; {there}"
