"""A running job measured by vLLM's own client: warmed up, asked for a while, and what it used meanwhile."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.app.api_key import read_api_key
from homecluster.app.copies_bench import counts_of_copies, processes_here, requests_given
from homecluster.app.gang_bench import Counters, carried
from homecluster.app.jobs import JobView
from homecluster.domain.measurement import Served
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_bench import benchmark_arguments, read_result
from homecluster.errors import LaunchError, MissingError
from homecluster.launch.engine_tool import run_tool
from homecluster.launch.meter import Meter, Use
from homecluster.launch.warm_up import Target, warm_up
from homecluster.store.copies_store import has_copies, read_copies
from homecluster.store.engine_store import engines_in
from homecluster.store.paths import Paths

LEAST_ROUNDS: Final = 3
MOST_ROUNDS: Final = 200
"""Each round is one request for each that is in flight."""
_IMPORTS_S: Final = 120.0
_RESULT: Final = "result.json"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the client shall ask for, and for about how long."""

    workload: Serve
    seconds: float
    count_links: Callable[[], Counters]
    """The bytes of the job's links so far; of a job inside one PC there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    served: Served
    use: Use | None
    """Of this PC by the job; None where too little was seen."""
    links: list[dict[str, Any]]
    copies: list[dict[str, Any]]
    """The requests that each copy was given; empty where there is one."""


def measure(paths: Paths, view: JobView, load: Load, tell: Tell) -> Seen:
    """What the job does under the load.

    Raises:
        MissingError: this PC has no engine, and so no client, or no tokenizer of the model.
        LaunchError: the server or the client failed.
    """
    python = _client_python(paths, view)
    target = _target(view)
    requests = _requests(load, _warm_up(view, target, load, tell))
    with Meter(lambda: processes_here(view), _gpus(view)) as meter:
        links, given = load.count_links(), counts_of_copies(view, target)
        served = _run_client(python, view, load.workload, requests)
        copies = requests_given(given, counts_of_copies(view, target))
        moved = carried(links, load.count_links())
    use = meter.use_between(served.begun_at_s, served.ended_at_s)
    return Seen(served=served, use=use, links=moved, copies=copies)


def _target(view: JobView) -> Target:
    spec = view.launch.spec
    host = spec.base_url.removeprefix("http://").rpartition(":")[0].strip("[]")
    key = read_api_key(spec.api_key_file)
    return Target(host=host, port=spec.port, model=spec.served_model, api_key=key)


def _client_python(paths: Paths, view: JobView) -> Path:
    """Of the engine that runs the job; the address of several copies is none, so any engine of this PC."""
    if not has_copies(view.folder):
        return Path(view.launch.spec.commands[0].argv[0])
    if not Path(view.launch.model_folder).is_dir():
        raise MissingError(
            "bench makes its prompts with the model's tokenizer, and this PC has no file of the model",
            hint=f"type `up` and `bench` on {_others_with_copies(view)}, or bring the files here: "
            "copy them, or give `up` a folder as --model",
        )
    engines = engines_in(paths.engines)
    if not engines:
        raise MissingError(
            "bench needs vLLM's client, and this PC has no engine",
            hint=f"homecluster engine install, or type `up` and `bench` on {_others_with_copies(view)}",
        )
    return engines[0].python


def _others_with_copies(view: JobView) -> str:
    """They have the engine and the model's files, for their copies run."""
    return " or ".join(sorted({str(one.node) for one in read_copies(view.folder).copies}))


def _warm_up(view: JobView, target: Target, load: Load, tell: Tell) -> float:
    """Seconds that one round of requests takes."""
    workload = load.workload
    together = workload.concurrent_requests if workload.request_rate_per_s is None else 1
    tell(f"warming up with {together} request{'s' if together > 1 else ''} of full length")

    def once() -> float:
        return warm_up(
            target,
            prompt_tokens=workload.prompt_tokens,
            output_tokens=workload.output_tokens,
            together=together,
        )

    try:
        round_s = once()
        if round_s < load.seconds / 2:
            round_s = once()  # the first one also paid for what happens only once
    except OSError as error:
        raise LaunchError(
            f"the job does not answer: {error}", hint=f"its log is {view.folder.engine_log}"
        ) from error
    requests = _requests(load, round_s)
    about_s = max(load.seconds, LEAST_ROUNDS * round_s)
    tell(f"measuring {requests} requests, about {about_s:.0f} s")
    return round_s


def _requests(load: Load, round_s: float) -> int:
    """How many requests fill about the time."""
    workload = load.workload
    if workload.request_rate_per_s is not None:
        return max(LEAST_ROUNDS, math.ceil(workload.request_rate_per_s * load.seconds))
    rounds = min(MOST_ROUNDS, max(LEAST_ROUNDS, round(load.seconds / round_s)))
    return rounds * workload.concurrent_requests


def _run_client(python: Path, view: JobView, workload: Serve, requests: int) -> Served:
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
        done = run_tool(
            (str(python), *arguments),
            os.environ,
            variables=tuple(_variables(view).items()),
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


def _variables(view: JobView) -> Mapping[str, str]:
    key = read_api_key(view.launch.spec.api_key_file)
    own = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "no_proxy": "*", "NO_PROXY": "*"}
    return own | ({"OPENAI_API_KEY": key} if key else {})


def _limit_s(workload: Serve, requests: int) -> float:
    """Far beyond any real run: a minute for each round."""
    return _IMPORTS_S + 60.0 * max(10, math.ceil(requests / workload.concurrent_requests))


def _gpus(view: JobView) -> tuple[int, ...]:
    variables = dict(view.launch.spec.commands[0].env)
    shown = variables.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(int(index) for index in shown.split(",") if index)
