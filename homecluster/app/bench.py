"""The use case `bench`: a running job measured by vLLM's own client, beside what was predicted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from homecluster.app.bench_client import Load, Seen, Tell, measure
from homecluster.app.gang_bench import Counters, planned_link_bytes
from homecluster.app.job_workload import job_workload
from homecluster.app.jobs import JobView
from homecluster.app.plan import make_plans, only
from homecluster.domain.hardware import DTYPE_BYTES, DType, Node
from homecluster.domain.job import Running
from homecluster.domain.measurement import Served
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_gang_bytes import Traffic
from homecluster.engines.vllm_launch import context_tokens
from homecluster.errors import InputError, MissingError
from homecluster.planner.problem import Pins
from homecluster.planner.speculation import acceptance_of
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from homecluster.store.plan_document import estimate_table, workload_table

SCHEMA = "homecluster.bench/1"
COMPARED = (
    "output_tokens_per_s",
    "total_tokens_per_s",
    "requests_per_s",
    "first_token_s",
    "token_interval_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to measure: the job's own workload where `changes` says nothing else."""

    changes: Mapping[str, Any]
    seconds: float


def bench(
    paths: Paths,
    view: JobView,
    request: Request,
    *,
    find_cluster: Callable[[], Cluster],
    spec: ModelSpec,
    tell: Tell,
    count_links: Callable[[], Counters] = dict,
) -> dict[str, Any]:
    """The bench document, which is also kept under `benches`.

    `find_cluster` finds where the job's PCs are, for another workload than the planned one; `count_links` counts the bytes of its links.

    Raises:
        InputError: the job was not started for requests this long.
        MissingError: the job is not running, or as `measure` says.
        LaunchError: as `measure` says.
    """
    if not isinstance(view.state, Running):
        raise MissingError(
            f"{view.folder.job_id} is not running", hint="homecluster status shows how far it is."
        )
    planned = job_workload(view)
    workload = replace(planned, **request.changes)
    if "concurrent_requests" in request.changes:
        workload = replace(workload, request_rate_per_s=None)
    _check_length(view, spec, workload)
    predicted = view.launch.plan["estimate"]
    if workload != planned:
        predicted = predict_again(view, find_cluster(), spec, workload)
    load = Load(workload=workload, seconds=request.seconds, count_links=count_links)
    seen = measure(paths, view, load, tell)
    document = _document(view, workload, seen, predicted)
    if seen.links and not seen.copies and not view.launch.plan.get("drafts"):
        document["planned_link_bytes"] = planned_link_bytes(
            spec, view.launch.plan, _traffic(seen.served, workload)
        )
    kept = paths.benches / f"{document['measured_at'].replace(':', '')}-{view.folder.job_id}.json"
    document["record"] = str(kept)
    write_json(kept, document)
    return document


def longest_request(view: JobView, spec: ModelSpec) -> int:
    """Tokens, prompt and output, that the job takes in one request."""
    return context_tokens(spec, job_workload(view))


def _check_length(view: JobView, spec: ModelSpec, workload: Serve) -> None:
    longest = longest_request(view, spec)
    needed = workload.prompt_tokens + workload.output_tokens
    if needed > longest:
        raise InputError(
            f"{view.folder.job_id} takes {longest} tokens a request at most; {needed} were asked for",
            hint=f"start it with --max-model-len {needed}",
        )


def predict_again(
    view: JobView, cluster: Cluster, spec: ModelSpec, workload: Serve
) -> Mapping[str, Any]:
    """The estimate of the job's own layout for another workload."""
    plan = view.launch.plan
    pins = Pins(
        tensor_parallel=plan["tensor_parallel"],
        pipeline_parallel=plan["pipeline_parallel"],
        replicas=plan["replicas"],
        partition=tuple(plan["partition"]),
    )
    wanted = sorted(device for stage in plan["stages"] for device in stage["devices"])
    own = only(cluster, sorted({device.rpartition("/")[0] for device in wanted}))
    own = replace(own, nodes=tuple(map(_as_if_free, own.nodes)))
    for candidate in make_plans(own, spec, workload, pins).plans:
        if sorted(candidate.layout.devices) == wanted:
            return estimate_table(candidate.estimate)
    raise InputError(
        "the planner has no estimate of this job for that workload",
        hint="without workload flags the job's own prediction is used.",
    )


def _as_if_free(node: Node) -> Node:
    """The job itself holds memory now; the question is about its speed, not whether it fits again."""
    devices = (replace(one, memory_free_bytes=one.memory_total_bytes) for one in node.devices)
    return replace(node, devices=tuple(devices))


def _traffic(served: Served, workload: Serve) -> Traffic:
    return Traffic(
        input_tokens=served.input_tokens,
        output_tokens=served.output_tokens,
        requests=workload.concurrent_requests,
        dtype_bytes=DTYPE_BYTES[workload.dtype or DType.BF16],
    )


def _document(
    view: JobView,
    workload: Serve,
    seen: Seen,
    predicted: Mapping[str, Any],
) -> dict[str, Any]:
    served, use = seen.served, seen.use
    measured = {name: asdict(getattr(served, name)) for name in COMPARED}
    return {
        "schema": SCHEMA,
        "job": view.folder.job_id,
        "model": view.launch.model,
        "model_folder": view.launch.model_folder,
        "random_weights": view.launch.random_weights,
        "engine": view.launch.engine,
        "homecluster_python": sys.version.split()[0],
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "workload": workload_table(workload),
        "layout": {key: value for key, value in view.launch.plan.items() if key != "estimate"},
        "cluster_fingerprint": view.launch.cluster_fingerprint,
        "measured": measured,
        "predicted": dict(predicted),
        "ratio": {name: _ratio(measured[name]["mean"], predicted[name]) for name in COMPARED},
        "inside": {name: _inside(measured[name]["mean"], predicted[name]) for name in COMPARED},
        "duration_s": served.duration_s,
        "completed": served.completed,
        "failed": served.failed,
        "input_tokens": served.input_tokens,
        "output_tokens": served.output_tokens,
        "drafting": _drafting(served, view.launch.plan),
        "copies": seen.copies,
        "link_bytes": seen.links,
        "planned_link_bytes": None,
        "memory": {"job_bytes": use.memory_bytes if use else None},
        "utilisation": {
            "busy_cores": use.busy_cores if use else None,
            "other_cores": use.other_cores if use else None,
            "gpus": list(use.gpu_busy) if use else [],
        },
        "power_w": sum(use.gpu_power_w) if use and use.gpu_power_w else None,
    }


def _drafting(served: Served, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """How many drafts were right; `acceptance` is the share that `plan --acceptance` asks for."""
    one, drafts = served.drafted, plan.get("drafts")
    if one is None or not drafts:
        return None
    return asdict(one) | {
        "drafts": drafts,
        "acceptance": acceptance_of(one.tokens_per_step, drafts),
    }


def _ratio(measured: float, predicted: Mapping[str, float]) -> float | None:
    """Measured over predicted; None where nothing was predicted."""
    return measured / predicted["mid"] if predicted["mid"] else None


def _inside(measured: float, predicted: Mapping[str, float]) -> bool:
    return predicted["low"] <= measured <= predicted["high"]
