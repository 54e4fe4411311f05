"""Measured speeds are kept under what they belong to, and only believed when they make sense."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.hardware import DType
from homecluster.store.device_speeds import (
    Fingerprint,
    load_speeds,
    save_probe,
    speeds_from_probe,
)

PRINT = Fingerprint(kind="cpu", name="AMD EPYC", cores=2, memory_bytes=0, driver="", vllm="0.32.0", torch="2.13.0")  # fmt: skip
NOON = "2026-11-21T12:00:00+00:00"


def probe(**overheads: Any) -> dict[str, Any]:
    return {
        "kernels": {
            "memory_bandwidth_bytes_per_s": {"bf16": 40e9, "fp32": 39e9},
            "peak_flop_per_s": {"bf16": 850e9, "fp32": 440e9},
        },
        "overheads": {
            "step_overhead_s": 1e-3,
            "layer_overhead_s": 2e-4,
            "sequence_overhead_s": 3e-4,
            "kv_cache_bandwidth_bytes_per_s": 20e9,
            "disturbance": 1.02,
        }
        | overheads,
    }


def test_what_is_saved_is_found_again_with_its_age(tmp_path: Path) -> None:
    saved = save_probe(tmp_path, probe(), PRINT, NOON)
    assert load_speeds(tmp_path, PRINT) == saved
    assert saved.memory_bandwidth_bytes_per_s == 40e9
    assert saved.peak_flop_per_s == ((DType.BF16, 850e9), (DType.FP32, 440e9))
    assert saved.age_s(datetime(2026, 11, 21, 13, tzinfo=UTC)) == 3600


def test_the_measured_start_is_kept_and_an_older_document_has_none() -> None:
    parts = {"server_start_s": 20.5, "worker_start_s": 7.0, "engine_ready_s": 4.5}
    timed = speeds_from_probe(probe(start_up=parts), PRINT, NOON)
    assert (timed.server_start_s, timed.worker_start_s, timed.engine_ready_s) == (20.5, 7.0, 4.5)
    assert speeds_from_probe(probe(), PRINT, NOON).server_start_s is None
    assert speeds_from_probe(probe(start_up=None), PRINT, NOON).engine_ready_s is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(PRINT, name="AMD EPYC 9B14"),
        replace(PRINT, cores=4),
        replace(PRINT, vllm="0.33.0"),
        replace(PRINT, torch="2.14.0"),
        replace(PRINT, kind="cuda"),
        replace(PRINT, driver="580.95.05"),
        replace(PRINT, memory_bytes=1),
    ],
)
def test_other_hardware_or_another_engine_knows_nothing_of_it(
    tmp_path: Path, changed: Fingerprint
) -> None:
    save_probe(tmp_path, probe(), PRINT, NOON)
    assert load_speeds(tmp_path, changed) is None


def test_without_engine_overheads_the_kernel_rates_stand_alone(tmp_path: Path) -> None:
    document = probe()
    del document["overheads"]
    speeds = save_probe(tmp_path, document, PRINT, NOON)
    assert speeds.memory_bandwidth_bytes_per_s == 40e9
    assert speeds.step_overhead_s is None
    assert speeds.kv_cache_bandwidth_bytes_per_s is None


@pytest.mark.parametrize(
    "document",
    [
        probe(step_overhead_s=-1e-3),
        probe(layer_overhead_s=float("nan")),
        probe(kv_cache_bandwidth_bytes_per_s=0),
        probe() | {"kernels": {"memory_bandwidth_bytes_per_s": {"bf16": float("inf")}, "peak_flop_per_s": {"bf16": 1}}},
        probe() | {"kernels": {"memory_bandwidth_bytes_per_s": {"bf16": 1}, "peak_flop_per_s": {"int3": 1}}},
    ],
)  # fmt: skip
def test_numbers_that_make_no_sense_are_not_kept(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is not a"):
        save_probe(tmp_path, document, PRINT, NOON)
    assert load_speeds(tmp_path, PRINT) is None
    assert list(tmp_path.iterdir()) == []


DAMAGE = st.one_of(
    st.just(""),
    st.just("[]"),
    st.just("null"),
    st.just('{"schema": "homecluster.device-speeds/1"}'),
    st.text(max_size=40),
    st.integers(min_value=0, max_value=400).map(lambda cut: f"cut {cut}"),
)


@given(DAMAGE)
def test_a_damaged_file_is_as_good_as_none(tmp_path_factory: pytest.TempPathFactory, damage: str) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("devices")
    save_probe(folder, probe(), PRINT, NOON)
    (path,) = folder.iterdir()
    whole = path.read_text()
    path.write_text(whole[: int(damage[4:])] if damage.startswith("cut ") else damage)
    assert load_speeds(folder, PRINT) is None


def test_the_file_of_another_schema_is_not_read(tmp_path: Path) -> None:
    save_probe(tmp_path, probe(), PRINT, NOON)
    (path,) = tmp_path.iterdir()
    document = json.loads(path.read_text()) | {"schema": "homecluster.device-speeds/2"}
    path.write_text(json.dumps(document))
    assert load_speeds(tmp_path, PRINT) is None


def test_the_bandwidth_is_that_of_the_engines_default_format() -> None:
    document = probe()
    document["kernels"]["memory_bandwidth_bytes_per_s"] = {"fp16": 7e9, "fp32": 9e9}
    assert speeds_from_probe(document, PRINT, NOON).memory_bandwidth_bytes_per_s == 7e9
