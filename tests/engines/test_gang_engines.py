"""Orders and commands of a gang: what each PC is told, and what it refuses to be told."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.ray_command import ray_start_arguments
from homecluster.engines.vllm_gang_bytes import Spread, Traffic, planned_bytes
from homecluster.engines.vllm_gang_command import share_command
from homecluster.engines.vllm_gang_document import order_document, read_order
from homecluster.engines.vllm_gang_order import batch_tokens, tokens_of
from homecluster.engines.vllm_gang_parity import mismatches
from homecluster.engines.vllm_launch import Installation
from homecluster.errors import InputError
from homecluster.jobs.ray_share import RAYS_FOLDER, short_folder
from tests.builders import cluster, copy_of, layout_of, model, node
from tests.fakes.gangs import order

INSTALLATION = Installation(python="/e/python", cores=(0, 1), openmp_library=None)


def test_an_order_survives_the_way_between_pcs() -> None:
    for one in (
        order(),
        order(share=1, api_port=0),
        order(kind=DeviceKind.CUDA, cache_bytes=None, memory_share=0.875, partition=(4, 8), tensor_parallel=1),
        order(backend=Backend.RAY, model="owner/name", api_host="::1"),
    ):  # fmt: skip
        assert read_order(json.loads(json.dumps(order_document(one)))) == one


BAD: tuple[tuple[str, object], ...] = (
    ("job", "../x"), ("job", "a b"), ("share", 2), ("share", True), ("backend", "none"),
    ("tensor_parallel", 0), ("partition", []), ("partition", ["4"]), ("devices", [-1]),
    ("addresses", ["10.0.0.1"]), ("addresses", ["10.0.0.1", "host"]),
    ("addresses", ["10.0.0.1", "10.0.0.1"]), ("meeting_port", 80), ("model", "/etc/passwd"),
    ("model", "../m"), ("model", "-m"), ("model", "--load-format=x"), ("served_model", "a b"),
    ("dtype", "float8; rm"), ("cache_bytes", None), ("cache_bytes", 1.5), ("batch_tokens", 0),
    ("api_port", 0), ("api_host", "localhost"), ("start_limit_s", 0), ("kind", "tpu"),
    ("random_weights", 1), ("small_collectives", "x"),
)  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_an_order_with_a_wrong_field_is_refused(name: str, value: object) -> None:
    document = order_document(order()) | {name: value}
    with pytest.raises(InputError):
        read_order(document)


def test_an_order_with_a_missing_or_an_unknown_field_is_refused() -> None:
    whole = order_document(order())
    for name in whole:
        with pytest.raises(InputError, match=name):
            read_order({key: value for key, value in whole.items() if key != name})
    with pytest.raises(InputError, match="argv"):
        read_order({**whole, "argv": ["sh"]})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(order_document(order()))), VALUES, max_size=4))
def test_any_order_is_read_or_refused_and_never_breaks(changes: dict[str, Any]) -> None:
    try:
        read = read_order(order_document(order()) | changes)
    except InputError:
        return
    assert read_order(order_document(read)) == read


def command(**changes: Any):
    one = order(**changes)
    return share_command(
        one, node=NodeId("a"), interface="wlan0", model_folder="/models/toy", is_local=True,
        installation=INSTALLATION, token_files={name: f"/job/{name}" for name in tokens_of(one)},
    )  # fmt: skip


def test_each_pc_gets_its_own_address_and_interface() -> None:
    first, second = command(), command(share=1, api_port=0)
    assert dict(first.env)["VLLM_HOST_IP"] == "127.0.0.1"
    assert dict(second.env)["VLLM_HOST_IP"] == "127.0.0.2"
    assert dict(second.env)["GLOO_SOCKET_IFNAME"] == "wlan0"
    assert dict(second.env)["NCCL_SOCKET_IFNAME"] == "=wlan0"


def test_the_first_pc_serves_and_the_others_are_headless() -> None:
    first, second = command(), command(share=1, api_port=0)
    assert "--headless" in second.argv
    assert "--port" not in second.argv
    assert first.argv[first.argv.index("--port") + 1] == "21001"
    for one, rank in ((first, "0"), (second, "1")):
        assert one.argv[one.argv.index("--node-rank") + 1] == rank
        assert one.argv[one.argv.index("--nnodes") + 1] == "2"
        assert one.argv[one.argv.index("--master-addr") + 1] == "127.0.0.1"


def test_an_uneven_partition_reaches_every_pc() -> None:
    changes = {"tensor_parallel": 1, "partition": (1, 3)}
    for one in (command(**changes), command(share=1, api_port=0, **changes)):
        assert dict(one.env)["VLLM_PP_LAYER_PARTITION"] == "1,3"
        assert one.argv[one.argv.index("--pipeline-parallel-size") + 1] == "2"


def test_ray_has_a_token_file_and_no_secret_in_argv_or_environment() -> None:
    first = command(backend=Backend.RAY)
    assert dict(first.env)["RAY_AUTH_MODE"] == "token"
    assert dict(first.env)["RAY_AUTH_TOKEN_PATH"] == "/job/ray_token"
    assert "--nnodes" not in first.argv
    assert "--" in first.argv
    assert "--" not in command(backend=Backend.RAY, share=1, api_port=0).argv


def test_ray_keeps_to_a_folder_of_its_own_on_every_pc() -> None:
    for own in ("192.168.1.2", "192.168.1.3"):
        started = ray_start_arguments(
            own_address=own, head_address="192.168.1.2", port=20000, units=1, folder="/job/tmp/r"
        )
        assert started[started.index("--temp-dir") + 1] == "/job/tmp/r"


def test_a_share_s_folder_is_new_private_and_short(tmp_path: Path) -> None:
    left, new = (short_folder(str(tmp_path / ("long" * 9))) for _ in range(2))
    try:
        assert left != new
        assert stat.S_IMODE(new.stat().st_mode) == 0o700
        assert len(str(new / RAYS_FOLDER)) <= 40
    finally:
        left.rmdir()
        new.rmdir()


def test_only_a_gang_that_exchanges_small_messages_is_told_where_the_token_is() -> None:
    told = dict(command(small_collectives=SmallCollectives.EXCHANGE).env)
    assert told["HOMECLUSTER_EXCHANGE_TOKEN_FILE"] == "/job/exchange_token"
    assert "HOMECLUSTER_SMALL_COLLECTIVES" not in dict(command().env)


def test_the_profiling_pass_is_small_where_a_link_is_slow() -> None:
    pcs = (node("a"), node("b"))
    layout = layout_of(copy_of(model(), (12, ("a/cuda:0", "b/cuda:0"))))
    names = (NodeId("a"), NodeId("b"))

    def tokens(bytes_per_s: float) -> int:
        return batch_tokens(
            layout, model(), cluster(*pcs, bandwidth_bytes_per_s=bytes_per_s), names
        )

    assert tokens(117e6) == 2048
    assert tokens(2.5e6) == 512
    assert tokens(1e5) == 256


def test_unlike_versions_are_named_with_their_pcs() -> None:
    same = {
        "vllm": "0.32.0",
        "torch": "2.13.0",
        "homecluster": "1",
        "ray": "2.60.0",
        "engine python": "3.11.7",
    }
    assert mismatches({"a": same, "b": same}, Backend.RAY) == ()
    other = {**same, "vllm": "0.33.0", "engine python": "3.11.9"}
    assert mismatches({"a": same, "b": other}, Backend.MP) == (
        "vllm differs: 0.32.0 on a, 0.33.0 on b",
    )
    assert len(mismatches({"a": same, "b": other}, Backend.RAY)) == 2


def test_a_share_is_named_after_its_job() -> None:
    assert replace(order(), share=3).share_id == "toy-8000-abcd.3"


STEP = Traffic(input_tokens=0, output_tokens=1, requests=1, dtype_bytes=2)
PACKET = 2 * 66
"""Headers of a message in one packet that is acknowledged."""
ORDERS = 955 + 38 + 2 * PACKET
"""The scheduler's two messages of a step."""


def test_the_bytes_of_tensor_parallel_are_those_that_gloo_puts_on_a_wire() -> None:
    """GPT-2 in halves: 25 all-reduces of 1536 B and both halves of the logits, as counted between two hosts."""
    counted = 25 * 6234 + 102_171 + ORDERS
    planned = planned_bytes(model(), Spread(tensor_parallel=2, stages=1), STEP)
    assert planned == pytest.approx(counted, rel=0.05)


def test_the_bytes_of_a_pipeline_are_a_vector_with_its_description_and_the_schedulers_words() -> (
    None
):
    """Counted over an emulated hotspot with real vLLM: 6479 and 6493 bytes a token."""
    one = planned_bytes(model(), Spread(tensor_parallel=1, stages=2), STEP)
    assert one == pytest.approx(6486, rel=0.05)
    two = replace(STEP, output_tokens=2, requests=2)
    empty = 890 + 342 + 2 * PACKET
    both = planned_bytes(model(), Spread(tensor_parallel=1, stages=2), two)
    assert both == 2 * (one - empty)


def test_an_exchange_sends_each_part_once_and_steps_share_their_headers() -> None:
    exchange = Spread(tensor_parallel=2, stages=1, small_collectives=SmallCollectives.EXCHANGE)
    payload = 25 * 2 * 1536 + 2 * 50_304
    planned = planned_bytes(model(), exchange, STEP)
    assert payload < planned < 1.15 * payload
    eight = planned_bytes(model(), exchange, replace(STEP, output_tokens=8, requests=8))
    assert 8 * payload < eight < 8 * planned
