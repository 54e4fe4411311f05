"""Kept runs bend this PC's figures; runs that say nothing of it are passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homecluster.app import calibrate
from homecluster.app.own_devices import own_devices, probed_devices
from homecluster.domain.hardware import Provenance
from homecluster.domain.workload import Serve
from homecluster.store.paths import Paths
from homecluster.store.plan_document import workload_table
from tests.app.test_measure import DESK

ENGINE = "vllm-some"


def plan_of(layers: int) -> dict[str, Any]:
    """One copy of so many layers on the CPU."""
    stage = {"replica": 0, "devices": ["desk/cpu:0"], "layers": [0, layers]}
    return {"replicas": 1, "nodes": ["desk"], "stages": [stage]}


def record(requests: int, token_interval_s: float, **changes: Any) -> dict[str, Any]:
    """A bench document of GPT-2 on the one CPU of this PC."""
    load = Serve(concurrent_requests=requests, prompt_tokens=32, output_tokens=64)
    return {
        "schema": "homecluster.bench/1",
        "engine": ENGINE,
        "model_folder": "gpt2",
        "failed": 0,
        "layout": plan_of(12),
        "workload": workload_table(load),
        "utilisation": {"other_cores": 0.1},
        "measured": {
            "first_token_s": {"mean": 0.1},
            "token_interval_s": {"mean": token_interval_s},
        },
    } | changes


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(calibrate, "take_inventory", lambda *, thorough: DESK)  # noqa: ARG005
    (tmp_path / "benches").mkdir()
    (tmp_path / "devices").mkdir()
    return Paths(home=tmp_path, engines=tmp_path / "engines")


def keep(paths: Paths, *records: dict[str, Any]) -> None:
    for number, document in enumerate(records):
        (paths.benches / f"{number}.json").write_text(json.dumps(document))


def test_runs_that_took_twice_as_long_make_the_pc_slower(paths: Paths) -> None:
    (before, _), *_ = probed_devices(DESK, paths.devices)
    keep(paths, record(1, 0.2), record(8, 0.4))
    (found,) = calibrate.refit(paths, ENGINE)
    (now,) = own_devices(DESK, paths.devices)
    assert found.correction.runs == 2
    assert now.memory_bandwidth_bytes_per_s < before.memory_bandwidth_bytes_per_s
    assert now.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.CALIBRATED
    assert now.calibrated_at == found.correction.fitted_at


@pytest.mark.parametrize(
    "changes",
    [
        {"engine": "another"},
        {"failed": 1},
        {"utilisation": {"other_cores": 1.8}},
        {"model_folder": "/gone"},
        {"layout": {"replicas": 2, "nodes": ["desk"], "stages": []}},
        {"measured": {}},
        {"model_folder": "llama-2-70b", "layout": plan_of(80)},
        {"workload": {}},
    ],
)
def test_a_run_that_says_nothing_of_this_pc_is_passed_over(
    paths: Paths, changes: dict[str, Any]
) -> None:
    keep(paths, record(1, 0.2, **changes))
    (paths.benches / "damaged.json").write_text("{")
    assert calibrate.refit(paths, ENGINE) == ()
    (now,) = own_devices(DESK, paths.devices)
    assert now.calibration_error is None


def test_without_any_run_nothing_is_fitted(paths: Paths) -> None:
    assert calibrate.refit(paths, ENGINE) == ()


@pytest.mark.parametrize("longest", [4, 64, 1024, 100_000])
def test_every_load_fits_the_job(longest: int) -> None:
    for load in calibrate.loads(longest):
        assert load["prompt_tokens"] + load["output_tokens"] <= longest
        assert min(load.values()) >= 1
