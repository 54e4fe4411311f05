"""Calibrations come back as they were kept, and damaged ones do no harm."""

from dataclasses import replace
from pathlib import Path

import pytest

from homecluster.domain.hardware import DeviceKind, DType, Provenance
from homecluster.store.calibrations import (
    Calibration,
    calibrated,
    load_calibration,
    save_calibration,
)
from homecluster.store.device_speeds import Fingerprint
from tests.builders import device

KNOWN = Calibration(
    step_overhead_s=2e-3,
    sequence_overhead_s=1e-4,
    memory_bandwidth_bytes_per_s=1.5e10,
    peak_flop_per_s=((DType.BF16, 2e11), (DType.FP32, 1e11)),
    fields=("memory_bandwidth_bytes_per_s", "step_overhead_s"),
    error=0.07,
    runs=3,
    fitted_at="2026-11-22T00:00:00+00:00",
    engine="vllm-x",
)
PRINT = Fingerprint(
    kind=DeviceKind.CPU, name="box", cores=2, memory_bytes=0, driver="", vllm="1", torch="2"
)


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    save_calibration(tmp_path, PRINT, KNOWN)
    found = load_calibration(tmp_path, PRINT)
    assert found == replace(KNOWN, fields=("step_overhead_s", "memory_bandwidth_bytes_per_s"))
    assert load_calibration(tmp_path, replace(PRINT, cores=3)) is None


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "{}",
        '{"schema": "homecluster.calibration/1"}',
        '{"schema": "homecluster.calibration/9"}',
        "[1]",
    ],
)
def test_a_damaged_file_is_as_if_there_were_none(tmp_path: Path, damage: str) -> None:
    save_calibration(tmp_path, PRINT, KNOWN)
    next(tmp_path.glob("*.json")).write_text(damage)
    assert load_calibration(tmp_path, PRINT) is None


@pytest.mark.parametrize("figure", [-1.0, float("nan"), float("inf")])
def test_senseless_figures_are_passed_over(tmp_path: Path, figure: float) -> None:
    save_calibration(tmp_path, PRINT, replace(KNOWN, memory_bandwidth_bytes_per_s=figure))
    assert load_calibration(tmp_path, PRINT) is None


def test_a_device_takes_the_figures_of_its_runs() -> None:
    one = calibrated(device(kind=DeviceKind.CPU), KNOWN)
    assert one.memory_bandwidth_bytes_per_s == 1.5e10
    assert one.calibration_error == 0.07
    assert one.provenance_of("step_overhead_s") is Provenance.CALIBRATED
    assert one.sequence_overhead_s == device().sequence_overhead_s
