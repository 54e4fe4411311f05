"""The catalogue of GPUs: rows that make sense, found by any sane spelling and by no wrong one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import DType
from homecluster.domain.units import GIB
from homecluster.store.device_catalogue import (
    DeviceFacts,
    all_devices,
    find_device,
    nearest_devices,
)

ROWS = all_devices()


def found(name: str, memory_bytes: int | None = None) -> str | None:
    facts = find_device(name, memory_bytes)
    return facts.name if facts else None


def flops(facts: DeviceFacts, dtype: DType) -> float:
    return dict(facts.flops)[dtype]


def test_there_are_at_least_sixty_devices_with_unique_names() -> None:
    assert len(ROWS) >= 60
    assert [name for name, count in Counter(row.name for row in ROWS).items() if count > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_plausible_and_names_its_source(row: DeviceFacts) -> None:
    assert "https://" in row.source
    assert 4 * GIB <= row.memory_bytes <= 192 * GIB
    assert 100e9 <= row.memory_bandwidth_bytes_per_s <= 8e12
    # Reading the whole memory once takes between an eightieth and a sixth of a second on every card.
    assert 0.0125 < row.memory_bytes / row.memory_bandwidth_bytes_per_s < 0.17
    # FLOP per byte at fp32: cards are balanced for graphics or HPC, never a hundredfold off.
    assert 9 < flops(row, DType.FP32) / row.memory_bandwidth_bytes_per_s < 120


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_number_formats_follow_the_compute_capability(row: DeviceFacts) -> None:
    rates = dict(row.flops)
    assert (DType.BF16 in rates) == (row.compute_capability >= (8, 0))
    assert (DType.FP8 in rates) == (row.compute_capability >= (8, 9))
    if DType.BF16 in rates:
        assert rates[DType.BF16] == rates[DType.FP16]
    if DType.FP8 in rates:
        assert 1.9 < rates[DType.FP8] / rates[DType.FP16] < 2.1
    if DType.FP16 in rates:
        assert 1.9 < rates[DType.FP16] / rates[DType.FP32] < 31


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_found_by_its_own_name(row: DeviceFacts) -> None:
    assert found(row.name) == row.name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("rtx-4090", "NVIDIA GeForce RTX 4090"),
        ("RTX4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("rtx 4090 laptop", "NVIDIA GeForce RTX 4090 Laptop GPU"),
        ("GeForce RTX 3060 Laptop GPU", "NVIDIA GeForce RTX 3060 Laptop GPU"),
        ("RTX 3060 Mobile", "NVIDIA GeForce RTX 3060 Laptop GPU"),
        ("RTX 3060", "NVIDIA GeForce RTX 3060 12GB"),
        ("RTX 3060 8 GB", "NVIDIA GeForce RTX 3060 8GB"),
        ("RTX 3060 Ti", "NVIDIA GeForce RTX 3060 Ti"),
        ("rtx4060ti", "NVIDIA GeForce RTX 4060 Ti 8GB"),
        ("RTX 4060 Ti 16GB", "NVIDIA GeForce RTX 4060 Ti 16GB"),
        ("RTX 4070 Ti SUPER", "NVIDIA GeForce RTX 4070 Ti SUPER"),
        ("RTX 4070 Super", "NVIDIA GeForce RTX 4070 SUPER"),
        ("GeForce GTX 1660 Ti with Max-Q Design", "NVIDIA GeForce GTX 1660 Ti with Max-Q Design"),
        ("T4", "Tesla T4"),
        ("NVIDIA L4", "NVIDIA L4"),
        ("L4 24GB", "NVIDIA L4"),
        ("A100", "NVIDIA A100-SXM4-40GB"),
        ("A100 80GB PCIe", "NVIDIA A100 80GB PCIe"),
        ("NVIDIA A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB"),
        ("H100 SXM", "NVIDIA H100 80GB HBM3"),
        ("H100 PCIe", "NVIDIA H100 PCIe"),
        ("RTX 6000 Ada", "NVIDIA RTX 6000 Ada Generation"),
        ("Quadro RTX 6000", "Quadro RTX 6000"),
        ("RTX A6000", "NVIDIA RTX A6000"),
        ("RTX PRO 6000", "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"),
    ],
)
def test_people_and_drivers_may_spell_it_their_way(spelling: str, name: str) -> None:
    assert found(spelling) == name


@pytest.mark.parametrize(
    "spelling",
    ["", "NVIDIA", "GPU", "RTX", "RTX 3060 Ti Laptop GPU", "RTX 4090 Ti", "RTX 4090 Super", "RTX 3060 16GB",
     "RTX 4090 Max-Q", "Radeon RX 7900", "Arc A770", "TITAN V", "RTX 40900"],
)  # fmt: skip
def test_a_device_that_is_not_there_is_not_confused_with_a_relative(spelling: str) -> None:
    assert found(spelling) is None


def test_the_drivers_memory_size_tells_variants_of_one_name_apart() -> None:
    # NVML reports a little less than is printed on the box.
    little = 200 * 1024**2
    assert found("NVIDIA GeForce RTX 3060", 12 * GIB - little) == "NVIDIA GeForce RTX 3060 12GB"
    assert found("NVIDIA GeForce RTX 3060", 8 * GIB - little) == "NVIDIA GeForce RTX 3060 8GB"


def test_figures_that_users_will_check_first() -> None:
    rtx_4090, rtx_3090 = find_device("RTX 4090"), find_device("RTX 3090")
    assert rtx_4090 is not None
    assert rtx_3090 is not None
    assert rtx_4090.memory_bandwidth_bytes_per_s == 1008e9
    assert flops(rtx_4090, DType.BF16) == pytest.approx(165.2e12)
    assert rtx_4090.compute_capability == (8, 9)
    assert rtx_3090.memory_bandwidth_bytes_per_s == 936e9
    assert flops(rtx_3090, DType.FP16) == pytest.approx(71.2e12, rel=0.01)


def test_a_wrong_name_gets_its_nearest_relatives() -> None:
    assert "NVIDIA GeForce RTX 3060 Laptop GPU" in nearest_devices("RTX 3060 Ti Laptop")
    assert nearest_devices("RTX 4900")[0].startswith("NVIDIA GeForce RTX")
    assert nearest_devices("a toaster") == []


@given(st.text(max_size=60))
def test_no_text_whatever_makes_the_search_fail(name: str) -> None:
    find_device(name)
    assert len(nearest_devices(name)) <= 4
