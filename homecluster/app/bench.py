"""The use case `bench`: a running job measured by vLLM's own client, beside what was predicted."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from homecluster.app.api_key import read_api_key
from homecluster.app.gang_bench import Counters, carried, planned_payload
from homecluster.app.jobs import JobView, processes_of
from homecluster.app.plan import make_plans
from homecluster.domain.hardware import DTYPE_BYTES, DType, Node
from homecluster.domain.job import Running
from homecluster.domain.measurement import Served
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Goal, Serve
from homecluster.engines.vllm_bench import benchmark_arguments, read_result
from homecluster.engines.vllm_gang_bytes import Traffic
from homecluster.errors import InputError, LaunchError
from homecluster.launch.engine_tool import run_tool
from homecluster.launch.meter import Meter, Use
from homecluster.launch.warm_up import Target, warm_up
from homecluster.planner.candidates import Pins
from homecluster.store.files import write_json
from homecluster.store.paths import Paths
from homecluster.store.plan_document import estimate_table, workload_table

SCHEMA = "homecluster.bench/1"
LEAST_ROUNDS, MOST_ROUNDS = 3, 200
"""Each round is one request for each that is in flight."""
_IMPORTS_S = 120.0
_RESULT = "result.json"

Tell = Callable[[str], None]

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


def job_workload(view: JobView) -> Serve:
    """What the job was planned for."""
    table = dict(view.launch.workload)
    table["goal"] = Goal(table["goal"])
    table["dtype"] = DType(table["dtype"]) if table["dtype"] else None
    return Serve(**table)


def bench(
    paths: Paths,
    view: JobView,
    request: Request,
    *,
    node: Node,
    spec: ModelSpec,
    tell: Tell,
    count_links: Callable[[], Counters] = dict,
) -> dict[str, Any]:
    """The bench document, which is also kept under `benches`.

    `count_links` counts the bytes of a gang's links; a job inside one PC has none.

    Raises:
        InputError: the job is not running, or was not started for requests this long.
        LaunchError: the server or the benchmark failed.
    """
    if not isinstance(view.state, Running):
        raise InputError(
            f"{view.folder.job_id} is not running", hint="homecluster status shows how far it is."
        )
    planned = job_workload(view)
    workload = replace(planned, **request.changes)
    if "concurrent_requests" in request.changes:
        workload = replace(workload, request_rate_per_s=None)
    _check_length(view, workload)
    predicted = view.launch.plan["estimate"]
    if workload != planned:
        predicted = _predict_again(view, node, spec, workload)
    served, use, links = _measure(view, workload, request.seconds, tell, count_links)
    document = _document(view, workload, served, use, predicted)
    if links:
        document["link_bytes"] = links
        document["planned_link_bytes"] = planned_payload(
            spec, view.launch.plan, _traffic(served, workload)
        )
    kept = paths.benches / f"{document['measured_at'].replace(':', '')}-{view.folder.job_id}.json"
    document["record"] = str(kept)
    write_json(kept, document)
    return document


def longest_request(view: JobView) -> int:
    """Tokens, prompt and output, that the job takes in one request."""
    argv = view.launch.spec.commands[0].argv
    return int(argv[argv.index("--max-model-len") + 1])


def _check_length(view: JobView, workload: Serve) -> None:
    longest = longest_request(view)
    needed = workload.prompt_tokens + workload.output_tokens
    if needed > longest:
        raise InputError(
            f"{view.folder.job_id} takes {longest} tokens a request at most; {needed} were asked for",
            hint=f"start it with --max-model-len {needed}",
        )


def _predict_again(
    view: JobView, node: Node, spec: ModelSpec, workload: Serve
) -> Mapping[str, Any]:
    """The estimate of the job's own layout for another workload."""
    # The job itself holds memory now; the question is about its speed, not whether it fits again.
    devices = tuple(
        replace(device, memory_free_bytes=device.memory_total_bytes) for device in node.devices
    )
    plan = view.launch.plan
    pins = Pins(
        tensor_parallel=plan["tensor_parallel"],
        pipeline_parallel=plan["pipeline_parallel"],
        replicas=1,
        partition=tuple(plan["partition"]),
    )
    cluster = Cluster(nodes=(replace(node, devices=devices),))
    wanted = plan["stages"][0]["devices"]
    for candidate in make_plans(cluster, spec, workload, pins).plans:
        if list(candidate.layout.devices[: len(wanted)]) == wanted:
            return estimate_table(candidate.estimate)
    raise InputError("the planner has no estimate of this job for that workload")


def _traffic(served: Served, workload: Serve) -> Traffic:
    return Traffic(
        input_tokens=served.input_tokens,
        output_tokens=served.output_tokens,
        dtype_bytes=DTYPE_BYTES[workload.dtype or DType.BF16],
    )


def _measure(
    view: JobView,
    workload: Serve,
    seconds: float,
    tell: Tell,
    count_links: Callable[[], Counters],
) -> tuple[Served, Use | None, list[dict[str, Any]]]:
    spec = view.launch.spec
    key = read_api_key(spec.api_key_file)
    host = spec.base_url.removeprefix("http://").rpartition(":")[0].strip("[]")
    target = Target(host=host, port=spec.port, model=spec.served_model, api_key=key)
    together = workload.concurrent_requests if workload.request_rate_per_s is None else 1
    tell(f"warming up with {together} request{'s' if together > 1 else ''} of full length")

    def warm_up_once() -> float:
        return warm_up(
            target,
            prompt_tokens=workload.prompt_tokens,
            output_tokens=workload.output_tokens,
            together=together,
        )

    try:
        round_s = warm_up_once()
        if round_s < seconds / 2:
            round_s = warm_up_once()  # the first one also paid for what happens only once
    except OSError as error:
        raise LaunchError(
            f"the job does not answer: {error}", hint=f"its log is {view.folder.engine_log}"
        ) from error
    requests = _requests(workload, seconds, round_s)
    tell(f"measuring {requests} requests, about {max(seconds, LEAST_ROUNDS * round_s):.0f} s")
    with Meter(lambda: processes_of(view), _gpus(view)) as meter:
        before = count_links()
        served = _run_client(view, workload, requests, key)
        links = carried(before, count_links())
    return served, meter.use_between(served.begun_at_s, served.ended_at_s), links


def _requests(workload: Serve, seconds: float, round_s: float) -> int:
    """How many requests fill about `seconds`."""
    if workload.request_rate_per_s is not None:
        return max(LEAST_ROUNDS, math.ceil(workload.request_rate_per_s * seconds))
    rounds = min(MOST_ROUNDS, max(LEAST_ROUNDS, round(seconds / round_s)))
    return rounds * workload.concurrent_requests


def _run_client(view: JobView, workload: Serve, requests: int, key: str | None) -> Served:
    python = Path(view.launch.spec.commands[0].argv[0])
    with tempfile.TemporaryDirectory() as folder:
        arguments = benchmark_arguments(
            base_url=view.launch.spec.base_url,
            served_model=view.launch.spec.served_model,
            tokenizer=view.launch.model_folder,
            workload=workload,
            requests=requests,
            folder=folder,
            file=_RESULT,
        )
        variables = {
            "VLLM_NO_USAGE_STATS": "1",
            "HF_HUB_OFFLINE": "1",
            "no_proxy": "*",
            "NO_PROXY": "*",
        } | ({"OPENAI_API_KEY": key} if key else {})
        done = run_tool(
            (str(python), *arguments),
            os.environ,
            variables=tuple(variables.items()),
            limit_s=_limit_s(workload, requests),
            tell=lambda _: None,
        )
        result = Path(folder) / _RESULT
        if done.code != 0 or not result.exists():
            last = next((line for line in reversed(done.said) if line.strip()), "no word why")
            how = "took too long" if done.timed_out else f"failed: {last.strip()}"
            raise LaunchError(
                f"vLLM's benchmark {how}", hint=f"the job's log is {view.folder.engine_log}"
            )
        served = read_result(json.loads(result.read_text()))
    if served is None:
        raise LaunchError(
            "the job answered none of the requests", hint=f"its log is {view.folder.engine_log}"
        )
    return served


def _limit_s(workload: Serve, requests: int) -> float:
    """Far beyond any real run: a minute for each round."""
    return _IMPORTS_S + 60.0 * max(10, math.ceil(requests / workload.concurrent_requests))


def _gpus(view: JobView) -> tuple[int, ...]:
    variables = dict(view.launch.spec.commands[0].env)
    shown = variables.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(int(index) for index in shown.split(",") if index)


def _document(
    view: JobView,
    workload: Serve,
    served: Served,
    use: Use | None,
    predicted: Mapping[str, Any],
) -> dict[str, Any]:
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
        "link_bytes": [],
        "memory": {"job_bytes": use.memory_bytes if use else None},
        "utilisation": {
            "busy_cores": use.busy_cores if use else None,
            "other_cores": use.other_cores if use else None,
            "gpus": list(use.gpu_busy) if use else [],
        },
        "power_w": sum(use.gpu_power_w) if use and use.gpu_power_w else None,
    }


def _ratio(measured: float, predicted: Mapping[str, float]) -> float | None:
    """Measured over predicted; None where nothing was predicted."""
    return measured / predicted["mid"] if predicted["mid"] else None


def _inside(measured: float, predicted: Mapping[str, float]) -> bool:
    return predicted["low"] <= measured <= predicted["high"]
