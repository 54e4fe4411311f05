"""How a layout is asked of vLLM: the command line of its API server."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.job import Command, LaunchSpec
from homecluster.domain.layout import Copy, Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_environment import engine_environment
from homecluster.errors import InputError

SERVER = "vllm.entrypoints.openai.api_server"
GATE = "homecluster.jobs.vllm_plugin.gate.Gate"
SEED = 0
DTYPE_NAMES = {DType.FP32: "float32", DType.FP16: "float16", DType.BF16: "bfloat16"}

RETOKENISED_SLACK_TOKENS = 16
"""A random prompt may come out a few tokens longer than drawn when its text is read again."""
CPU_CACHE_MARGIN = 4
"""A CPU's cache memory is everyone's: this many times the workload, not all that is free."""
CPU_CACHE_LEAST_BYTES = GIB
LEAST_LOOKED_UP, MOST_LOOKED_UP = 2, 4
"""Last tokens of the text that must have occurred before: a single one says too little of what follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What this PC has to run vLLM with."""

    python: str
    """Of the engine environment."""
    cores: tuple[int, ...]
    """Logical CPU ids, one for each physical core."""
    openmp_library: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model as it lies on this PC, and where it shall answer."""

    spec: ModelSpec
    folder: str
    """A local folder, or a hub id where the weights are not here yet."""
    is_local: bool
    name: str
    host: str
    port: int
    api_key_file: str | None


def launch_spec(
    *,
    layout: Layout,
    estimate: Estimate,
    workload: Serve,
    node: Node,
    served: Served,
    installation: Installation,
) -> LaunchSpec:
    """The one process to start for a layout of one copy inside one PC; vLLM starts its ranks itself.

    Raises:
        InputError: the layout spans several PCs or has several copies.
    """
    copy = _single_copy(layout)
    devices = _devices_of(copy, node)
    kind = devices[0].kind
    environment = engine_environment(
        kind=kind,
        ranks=len(devices),
        cores=installation.cores,
        weights_local=served.is_local,
        partition=layout.partition,
        device_indices=tuple(_index(device) for device in devices)
        if kind is DeviceKind.CUDA
        else (),
        openmp_library=installation.openmp_library,
    )
    command = Command(
        node=node.id,
        argv=(
            *(installation.python, "-m", SERVER),
            *_model_arguments(served, workload),
            *draft_arguments(layout.drafts),
            *_parallel_arguments(layout),
            *_memory_arguments(devices, estimate, workload),
            *server_arguments(served.host, served.port),
        ),
        env=environment,
        ready_when="a token came back through the API",
    )
    return LaunchSpec(
        commands=(command,),
        host=served.host,
        port=served.port,
        served_model=served.name,
        api_key_file=served.api_key_file,
    )


def _single_copy(layout: Layout) -> Copy:
    if len(layout.replicas) > 1:
        raise InputError(
            f"this plan runs {len(layout.replicas)} copies; `up` starts one so far",
            hint="pin one copy: --replicas 1",
        )
    return layout.replicas[0]


def _devices_of(copy: Copy, node: Node) -> tuple[Device, ...]:
    here = {device.id: device for device in node.devices}
    wanted = [device for stage in copy for device in stage.devices]
    elsewhere = [device for device in wanted if device not in here]
    if elsewhere:
        raise InputError(
            f"this plan uses {elsewhere[0]}, which is not on this PC; `up` starts jobs on this PC so far",
            hint=f"pin this PC: --nodes {node.id}",
        )
    return tuple(here[device] for device in wanted)


def _index(device: Device) -> int:
    return int(device.id.rpartition(":")[2])


def _model_arguments(served: Served, workload: Serve) -> tuple[str, ...]:
    dtype = "auto" if workload.dtype is None else DTYPE_NAMES.get(workload.dtype, "auto")
    return (
        *("--model", served.folder, f"--served-model-name={served.name}"),
        *("--max-model-len", str(context_tokens(served.spec, workload))),
        *("--dtype", dtype, "--seed", str(SEED)),
    )


def draft_arguments(drafts: int) -> tuple[str, ...]:
    """Speculative decoding without a second model: what followed the last words earlier in the text."""
    if not drafts:
        return ()
    ngram = {
        "method": "ngram",
        "num_speculative_tokens": drafts,
        "prompt_lookup_min": LEAST_LOOKED_UP,
        "prompt_lookup_max": MOST_LOOKED_UP,
    }
    return ("--speculative-config", json.dumps(ngram))


def context_tokens(spec: ModelSpec, workload: Serve) -> int:
    """The longest prompt and answer together that the engine must hold."""
    if workload.max_model_len is not None:
        return workload.max_model_len
    return min(spec.max_positions, workload.context_tokens + RETOKENISED_SLACK_TOKENS)


def _parallel_arguments(layout: Layout) -> tuple[str, ...]:
    if layout.tensor_parallel * layout.pipeline_parallel == 1:
        return ()
    return (
        *("--tensor-parallel-size", str(layout.tensor_parallel)),
        *("--pipeline-parallel-size", str(layout.pipeline_parallel)),
        *("--distributed-executor-backend", "mp"),
    )


def _memory_arguments(
    devices: tuple[Device, ...], estimate: Estimate, workload: Serve
) -> tuple[str, ...]:
    if devices[0].kind is DeviceKind.CPU:
        cache = cpu_cache_bytes(estimate, workload)
        return ("--enforce-eager", "--kv-cache-memory-bytes", str(cache))
    shares = [use.capacity_bytes / _total_bytes(devices, use.device) for use in estimate.memory]
    share = min(workload.memory_utilization, *shares)
    # Downwards: vLLM refuses to start when less is free than it is told to take.
    return ("--gpu-memory-utilization", f"{math.floor(share * 1000) / 1000}")


def _total_bytes(devices: tuple[Device, ...], device_id: str) -> int:
    return next(device.memory_total_bytes for device in devices if device.id == device_id)


def cpu_cache_bytes(estimate: Estimate, workload: Serve) -> int:
    """KV cache of each rank: some times what the workload needs, at most what the plan found free.

    The plan's cache is all that is left on the device; on a CPU that is the memory of the desktop.
    """
    free = min(use.kv_cache_bytes for use in estimate.memory)
    token_bytes = max(use.kv_cache_bytes for use in estimate.memory) / estimate.kv_cache_tokens
    together = max(workload.concurrent_requests, estimate.running_requests)
    needed = together * workload.context_tokens * token_bytes
    return min(free, max(CPU_CACHE_LEAST_BYTES, math.ceil(CPU_CACHE_MARGIN * needed)))


def server_arguments(host: str, port: int) -> tuple[str, ...]:
    """Where the API listens, and what of it is closed."""
    return (
        *("--host", host, "--port", str(port)),
        *("--middleware", GATE),
        # No web page of another origin may use the server; vLLM allows every one.
        *("--allowed-origins", "[]"),
        "--disable-fastapi-docs",
        "--disable-uvicorn-access-log",
    )
