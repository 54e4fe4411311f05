from dataclasses import replace
from typing import Any

import pytest

from homecluster.domain.estimate import Estimate, Interval, MemoryUse, Terms
from homecluster.domain.hardware import Device, DeviceKind, DType, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.job import LaunchSpec
from homecluster.domain.layout import Layout, Stage
from homecluster.domain.units import GIB
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_launch import Installation, Served, cpu_cache_bytes, launch_spec
from homecluster.errors import InputError
from homecluster.store.models import find_model

GPT2 = find_model("gpt2").spec
ONE = Interval(low=1, mid=1, high=1)


def device(kind: DeviceKind, index: int, memory: int = 24 * GIB) -> Device:
    return Device(
        id=DeviceId(f"desk/{kind}:{index}"), node_id=NodeId("desk"), kind=kind, name="x",
        memory_total_bytes=memory, memory_free_bytes=memory, memory_bandwidth_bytes_per_s=1e12,
        peak_flop_per_s=((DType.BF16, 1e14),), step_overhead_s=0, layer_overhead_s=0,
        sequence_overhead_s=0,
    )  # fmt: skip


def node(*devices: Device) -> Node:
    return Node(
        id=NodeId("desk"), hostname="desk", os="linux", ram_bytes=32 * GIB, cpu_cores=8,
        devices=devices,
    )  # fmt: skip


def layout(*stages: tuple[int, tuple[str, ...]]) -> Layout:
    """Stages as (layers, device ids)."""
    made, start = [], 0
    for layers, devices in stages:
        ids = tuple(map(DeviceId, devices))
        made.append(Stage(layer_start=start, layer_stop=start + layers, devices=ids))
        start += layers
    return Layout(engine="vllm", replicas=(tuple(made),))


def estimate(
    devices: tuple[str, ...], *, capacity: int = 20 * GIB, cache: int = 16 * GIB
) -> Estimate:
    uses = tuple(
        MemoryUse(
            device=DeviceId(one), weights_bytes=GIB, kv_cache_bytes=cache, activations_bytes=0,
            overhead_bytes=0, capacity_bytes=capacity,
        )
        for one in devices
    )  # fmt: skip
    return Estimate(
        output_tokens_per_s=ONE, total_tokens_per_s=ONE, requests_per_s=ONE, first_token_s=ONE,
        token_interval_s=ONE, start_up_s=ONE, start_up_parts=(),
        terms=Terms(compute_s=1, memory_s=0, network_latency_s=0, network_transfer_s=0, host_s=0, idle_s=0),
        memory=uses, kv_cache_tokens=cache // 36864, running_requests=1,
    )  # fmt: skip


def spec(
    one_layout: Layout, one_node: Node, workload: Serve | None = None, **served: object
) -> LaunchSpec:
    given: dict[str, Any] = {
        "spec": GPT2, "folder": "/m/gpt2", "is_local": True, "name": "gpt2",
        "host": "127.0.0.1", "port": 8000, "api_key_file": None,
    } | served  # fmt: skip
    return launch_spec(
        layout=one_layout,
        estimate=estimate(one_layout.devices),
        workload=workload or Serve(),
        node=one_node,
        served=Served(**given),
        installation=Installation(python="/e/bin/python", cores=(0, 1, 2, 3), openmp_library=None),
    )


def option(launched: LaunchSpec, name: str) -> str:
    argv = launched.commands[0].argv
    return argv[argv.index(name) + 1]


CPU = node(device(DeviceKind.CPU, 0))
CUDA = node(device(DeviceKind.CUDA, 0), device(DeviceKind.CUDA, 1))


def test_a_cpu_runs_eager_with_a_cache_for_its_workload_not_all_of_the_ram() -> None:
    launched = spec(layout((12, ("desk/cpu:0",))), CPU)
    assert "--enforce-eager" in launched.commands[0].argv
    assert int(option(launched, "--kv-cache-memory-bytes")) == GIB
    assert "--gpu-memory-utilization" not in launched.commands[0].argv


def test_a_cpu_cache_grows_with_the_workload_up_to_what_is_free() -> None:
    many = Serve(concurrent_requests=64)
    # 64 requests of 640 tokens of 36,864 bytes each, four times.
    assert cpu_cache_bytes(estimate(("desk/cpu:0",)), many) == pytest.approx(
        4 * 64 * 640 * 36864, rel=1e-4
    )
    scarce = estimate(("desk/cpu:0",), cache=GIB // 2)
    assert cpu_cache_bytes(scarce, many) == GIB // 2


def test_cuda_takes_the_share_that_the_plan_found_and_never_more_than_asked() -> None:
    launched = spec(layout((12, ("desk/cuda:0",))), CUDA)
    assert option(launched, "--gpu-memory-utilization") == "0.833"  # 20 of 24 GiB, rounded down
    asked = spec(layout((12, ("desk/cuda:0",))), CUDA, Serve(memory_utilization=0.5))
    assert option(asked, "--gpu-memory-utilization") == "0.5"
    assert "--enforce-eager" not in launched.commands[0].argv


def test_a_pipeline_of_two_cards_names_its_sizes_its_cards_and_its_layers() -> None:
    launched = spec(layout((8, ("desk/cuda:1",)), (4, ("desk/cuda:0",))), CUDA)
    assert option(launched, "--pipeline-parallel-size") == "2"
    assert option(launched, "--tensor-parallel-size") == "1"
    env = dict(launched.commands[0].env)
    assert env["CUDA_VISIBLE_DEVICES"] == "1,0"
    assert env["VLLM_PP_LAYER_PARTITION"] == "8,4"


def test_the_context_has_room_for_a_retokenised_prompt_but_never_beyond_the_model() -> None:
    one = layout((12, ("desk/cpu:0",)))
    assert option(spec(one, CPU), "--max-model-len") == "656"
    longest = Serve(prompt_tokens=896, output_tokens=128)
    assert option(spec(one, CPU, longest), "--max-model-len") == "1024"
    exact = replace(Serve(), max_model_len=700)
    assert option(spec(one, CPU, exact), "--max-model-len") == "700"


def test_the_key_is_in_neither_arguments_nor_environment() -> None:
    launched = spec(layout((12, ("desk/cpu:0",))), CPU, api_key_file="/k")
    command = launched.commands[0]
    assert launched.api_key_file == "/k"
    assert "--api-key" not in command.argv
    assert "VLLM_API_KEY" not in dict(command.env)


def test_every_server_stands_behind_the_gate_and_serves_no_foreign_page() -> None:
    launched = spec(layout((12, ("desk/cpu:0",))), CPU)
    assert option(launched, "--middleware") == "homecluster.jobs.vllm_plugin.gate.Gate"
    assert option(launched, "--allowed-origins") == "[]"


def test_a_layout_on_another_pc_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="laptop/cpu:0, which is not on this PC"):
        spec(layout((6, ("desk/cpu:0",)), (6, ("laptop/cpu:0",))), CPU)


def test_several_copies_are_refused() -> None:
    copy = layout((12, ("desk/cuda:0",))).replicas[0]
    with pytest.raises(InputError, match="runs 2 copies"):
        spec(Layout(engine="vllm", replicas=(copy, copy)), CUDA)


def test_the_address_is_loopback_for_a_server_that_listens_everywhere() -> None:
    launched = spec(layout((12, ("desk/cpu:0",))), CPU, host="0.0.0.0", port=81)
    assert launched.base_url == "http://127.0.0.1:81/v1"
    assert replace(launched, host="::1").base_url == "http://[::1]:81/v1"
