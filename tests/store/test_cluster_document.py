import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homecluster.domain.hardware import Device, DType, Provenance
from homecluster.domain.topology import Cluster
from homecluster.domain.units import GIB
from homecluster.errors import InputError
from homecluster.store.cluster_document import load_cluster, parse_cluster
from homecluster.store.device_table import device_table
from tests.strategies import devices

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def parsed(text: str) -> Cluster:
    return parse_cluster(text, file="home.toml", as_json=False)


def as_json(document: object) -> Cluster:
    return parse_cluster(json.dumps(document), file="home.json", as_json=True)


HOME = """
schema = "homecluster.cluster/1"
[nodes.desk]
os = "linux"
ram = "32 GiB"
[[nodes.desk.devices]]
kind = "cuda"
name = "NVIDIA GeForce RTX 4090"
count = 2
[nodes.desk.interconnect]
rtt = "30 us"
bandwidth = "20 GB/s"
[nodes.laptop]
ram = "16 GiB"
cores = 8
[[links]]
between = ["desk", "laptop"]
rtt = "40 ms"
bandwidth = { forward = "20 Mbit/s", back = "5 Mbit/s" }
jitter = "5 ms"
loss = "0.5 %"
medium = "hotspot"
all_reduce = { "64 KiB" = "372 us", "1 KiB" = "133 us" }
"""


def test_a_link_is_read_in_both_directions() -> None:
    home = parsed(HOME)
    forward, back = home.links
    assert (forward.src, forward.dst, back.src, back.dst) == ("desk", "laptop", "laptop", "desk")
    assert (forward.bandwidth_bytes_per_s, back.bandwidth_bytes_per_s) == (2.5e6, 0.625e6)
    assert forward.latency_s == back.latency_s == 0.02
    assert (forward.jitter_s, forward.loss_ratio, forward.medium) == (0.005, 0.005, "hotspot")


def test_a_measured_curve_is_put_in_order_of_size() -> None:
    assert parsed(HOME).links[0].all_reduce == ((1024, 133e-6), (65536, 372e-6))


def test_count_makes_so_many_devices_with_names_of_their_own() -> None:
    assert [d.id for d in parsed(HOME).devices()[:2]] == ["desk/cuda:0", "desk/cuda:1"]


def test_the_catalogue_knows_what_the_document_leaves_out() -> None:
    card = parsed(HOME).devices()[0]
    assert card.memory_total_bytes == 24 * GIB
    assert card.compute_capability == (8, 9)
    assert card.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.CATALOGUE
    assert card.provenance_of("step_overhead_s") is Provenance.ASSUMED


def test_a_number_in_the_document_beats_the_catalogue() -> None:
    text = HOME.replace(
        "count = 2", 'memory_bandwidth = "900 GB/s"\nprovenance = { memory_bandwidth = "measured" }'
    )
    card = parsed(text).devices()[0]
    assert card.memory_bandwidth_bytes_per_s == 900e9
    assert card.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.MEASURED


def test_a_pc_without_devices_has_its_cpu() -> None:
    (cpu,) = parsed(HOME).nodes[1].devices
    assert (cpu.id, cpu.memory_total_bytes) == ("laptop/cpu:0", 16 * GIB)
    assert cpu.flop_per_s(DType.FP32) == 8 * 48e9


def test_json_is_read_with_the_same_keys() -> None:
    import tomllib  # noqa: PLC0415 - the document's own format, only here

    assert as_json(tomllib.loads(HOME)) == parsed(HOME)


@pytest.mark.parametrize("name", ["rtx4090.toml", "hotspot.toml"])
def test_the_examples_are_valid(name: str) -> None:
    assert load_cluster(EXAMPLES / name).devices()


@MANY
@given(devices())
def test_a_device_that_is_written_and_read_back_is_the_same(device: Device) -> None:
    assert device.kind.value in {"cuda", "cpu"}
    written = {
        "schema": "homecluster.cluster/1",
        "nodes": {"desk": {"ram": "64 GiB", "devices": [device_table(device)]}},
    }
    (read,) = as_json(written).devices()
    assert replace(read, provenance=()) == replace(device, provenance=(), id=read.id)
    for field, provenance in device.provenance:
        assert read.provenance_of(field) is provenance


KEYS = st.sampled_from(
    ("schema", "nodes", "links", "desk", "ram", "os", "cores", "devices", "kind", "name", "count", "memory", "flops", "bf16",
     "between", "rtt", "bandwidth", "forward", "back", "loss", "all_reduce", "1 KiB", "interconnect", "versions", "wsl_mode",
     "addresses", "provenance", "memory_free", "compute_capability", "medium", "step_overhead")
) | st.text(max_size=3)  # fmt: skip
LEAVES = (
    st.sampled_from(("homecluster.cluster/1", "32 GiB", "cuda", "cpu", "1 ms", "1 Gbit/s", "5 %", "NVIDIA GeForce RTX 4090", "8.9", "nat", "desk", "laptop", "0 ms", "1e30 s"))
    | st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
TABLE = st.dictionaries(KEYS, ANYTHING, max_size=5)


def read_or_refused(document: object) -> None:
    """Reading a document of any kind gives a cluster or a short message with its place."""
    text = document if isinstance(document, str) else json.dumps(document)
    try:
        home = parse_cluster(text, file="home", as_json=not isinstance(document, str))
    except InputError as error:
        refusal = error.message
    else:
        assert home.nodes
        return
    assert refusal.startswith("home")
    assert len(refusal) < 1000


@MANY
@given(ANYTHING.filter(lambda value: not isinstance(value, str)))
def test_a_document_of_any_shape_is_read_or_refused(document: object) -> None:
    read_or_refused(document)


@MANY
@given(TABLE, st.lists(TABLE, max_size=2), st.lists(TABLE, max_size=2))
def test_a_document_of_almost_the_right_shape_is_read_or_refused(
    desk: dict[str, object], cards: list[dict[str, object]], links: list[dict[str, object]]
) -> None:
    cards = [{"kind": "cuda", "name": "NVIDIA GeForce RTX 4090"} | card for card in cards]
    node = {"ram": "8 GiB", "devices": cards} | desk
    joined = [
        {"between": ["desk", "laptop"], "rtt": "1 ms", "bandwidth": "1 GB/s"} | x for x in links
    ]
    document = {"schema": "homecluster.cluster/1", "links": joined}
    read_or_refused(document | {"nodes": {"desk": node, "laptop": {"ram": "8 GiB"}}})


@MANY
@given(st.text(max_size=200))
def test_a_text_of_any_kind_is_read_or_refused_as_toml(text: str) -> None:
    read_or_refused(text)


@MANY
@given(st.integers(0, len(HOME)), st.text(alphabet="[]{}=\"'.,\n0-9eGiB desk", max_size=4))
def test_a_document_with_a_slip_of_the_keyboard_is_read_or_refused(place: int, slip: str) -> None:
    read_or_refused(HOME[:place] + slip + HOME[place + len(slip) :])
