"""The whole measurement with the real engine: real kernels, real servers, real streamed requests."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from homecluster.app.measure import Act, measure_this_pc
from homecluster.app.this_pc import this_pc
from homecluster.domain.hardware import DeviceKind, Provenance
from homecluster.store.engine_store import Engine
from homecluster.store.paths import paths_from

LIMIT_S = 300.0
"""Generous: a quiet PC needs under two minutes, a test machine may be busy."""


@pytest.mark.engine
@pytest.mark.slow
def test_this_pc_is_measured_once_and_believed_from_then_on(tmp_path: Path, engine: Engine) -> None:
    assert engine.python.is_file()
    paths = replace(paths_from(os.environ), home=tmp_path)
    told: list[str] = []
    begin = time.monotonic()
    measured = measure_this_pc(paths, force=False, tell=told.append)
    assert time.monotonic() - begin < LIMIT_S
    assert told

    outcome = next(one for one in measured.outcomes if one.device.kind is DeviceKind.CPU)
    cpu = outcome.device
    assert outcome.act is Act.MEASURED
    assert outcome.reason == ""
    for field in ("memory_bandwidth_bytes_per_s", "peak_flop_per_s", "step_overhead_s",
                  "layer_overhead_s", "sequence_overhead_s"):  # fmt: skip
        assert cpu.provenance_of(field) is Provenance.MEASURED
    # Bounds that every PC of this century keeps, one slow core to a large server.
    assert 1e9 < cpu.memory_bandwidth_bytes_per_s < 2e12
    assert all(1e9 < rate < 1e15 for _, rate in cpu.peak_flop_per_s)
    assert 1e-5 < cpu.step_overhead_s + 12 * cpu.layer_overhead_s < 0.5
    # Attention gathers blocks of the cache: never much faster than weights stream.
    assert cpu.kv_cache_bandwidth_bytes_per_s is not None
    assert cpu.kv_cache_bandwidth_bytes_per_s < 5 * cpu.memory_bandwidth_bytes_per_s

    again = measure_this_pc(paths, force=False, tell=told.append)
    assert [one.act for one in again.outcomes if one.device.kind is DeviceKind.CPU] == [Act.KEPT]
    planned = this_pc(paths).nodes[0].devices[-1]
    assert planned.memory_bandwidth_bytes_per_s == cpu.memory_bandwidth_bytes_per_s
    assert not [child for child in psutil.Process().children(recursive=True) if "vllm" in " ".join(child.cmdline()).lower()]  # fmt: skip
