"""A PC whose true figures are known, run under a few loads: does calibration find them again?"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from homecluster.domain.calibration import Run
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import Device, DeviceKind, Provenance
from homecluster.domain.layout import Layout
from homecluster.domain.workload import Serve
from homecluster.planner.calibration import Origin, corrected, fit
from homecluster.planner.estimate import Estimator
from homecluster.planner.linear import least_squares
from tests.builders import cluster, copy_of, device, layout_of, model, node

ORIGIN = Origin(fitted_at="2026-01-01T00:00:00+00:00", engine="some")
GPT2 = model("gpt2")
LOADS = (
    Serve(concurrent_requests=1, prompt_tokens=32, output_tokens=64),
    Serve(concurrent_requests=8, prompt_tokens=32, output_tokens=64),
    Serve(concurrent_requests=2, prompt_tokens=512, output_tokens=16),
)
"""What `bench --calibrate` runs: alone, many together, long prompts."""


def believed(kind: DeviceKind) -> Device:
    made = device(kind=kind, step_overhead_s=3e-3, sequence_overhead_s=3e-4)
    if kind is DeviceKind.CUDA:
        return made
    slow = tuple((dtype, 3e11) for dtype, _ in made.peak_flop_per_s)
    return replace(made, memory_bandwidth_bytes_per_s=2e10, peak_flop_per_s=slow)


def layout(one: Device) -> Layout:
    return layout_of(copy_of(GPT2, (12, (one.id,))))


def run_on(true: Device, load: Serve, noise: random.Random, spread: float) -> Run:
    found = Estimator(cluster(node("a", true)), GPT2, load).estimate(layout(true))
    assert isinstance(found, Estimate)
    return Run(
        spec=GPT2,
        workload=load,
        layout=layout(true),
        first_token_s=found.first_token_s.mid * noise.lognormvariate(0, spread),
        token_interval_s=found.token_interval_s.mid * noise.lognormvariate(0, spread),
    )


def truth(kind: DeviceKind, noise: random.Random) -> Device:
    """A PC that differs from what is believed by up to a factor of two in every figure."""
    start = believed(kind)
    return replace(
        start,
        step_overhead_s=start.step_overhead_s * noise.uniform(0.5, 2),
        sequence_overhead_s=start.sequence_overhead_s * noise.uniform(0.5, 2),
        memory_bandwidth_bytes_per_s=start.memory_bandwidth_bytes_per_s * noise.uniform(0.5, 2),
        peak_flop_per_s=tuple((d, r * noise.uniform(0.5, 2)) for d, r in start.peak_flop_per_s),
    )


@pytest.mark.parametrize("kind", DeviceKind)
def test_other_loads_are_predicted_within_a_tenth_after_three_runs(kind: DeviceKind) -> None:
    noise = random.Random(3)
    errors = []
    for _ in range(6):
        true = truth(kind, noise)
        runs = [run_on(true, load, noise, 0.01) for load in LOADS]
        found = fit(node("a", believed(kind)), kind, runs, ORIGIN)
        other = Serve(concurrent_requests=4, prompt_tokens=128, output_tokens=32)
        seen = run_on(true, other, noise, 0.0)
        now = corrected(believed(kind), found)
        told = Estimator(cluster(node("a", now)), GPT2, other).estimate(layout(now))
        assert isinstance(told, Estimate)
        errors.append(abs(told.token_interval_s.mid / seen.token_interval_s - 1))
    assert sorted(errors)[len(errors) // 2] <= 0.05
    assert max(errors) <= 0.15


def test_intervals_cover_nine_in_ten_of_unseen_runs() -> None:
    """Runs that repeat within 5 %: the interval of a calibrated PC must hold most of them, and not be endless."""
    noise, inside, all_of_them, width = random.Random(7), 0, 0, 0.0
    for _ in range(12):
        true = truth(DeviceKind.CPU, noise)
        runs = [run_on(true, load, noise, 0.05) for load in LOADS]
        now = corrected(
            believed(DeviceKind.CPU),
            fit(node("a", believed(DeviceKind.CPU)), DeviceKind.CPU, runs, ORIGIN),
        )
        for requests in (1, 4, 16):
            load = Serve(concurrent_requests=requests, prompt_tokens=64, output_tokens=32)
            seen = run_on(true, load, noise, 0.05)
            told = Estimator(cluster(node("a", now)), GPT2, load).estimate(layout(now))
            assert isinstance(told, Estimate)
            interval = told.token_interval_s
            inside += interval.low <= seen.token_interval_s <= interval.high
            width += interval.high / interval.mid - 1
            all_of_them += 1
    assert 0.8 <= inside / all_of_them <= 1.0
    assert width / all_of_them <= 0.6


def test_without_runs_nothing_is_corrected() -> None:
    found = fit(node("a", believed(DeviceKind.CPU)), DeviceKind.CPU, (), ORIGIN)
    assert (found.step, found.sequence, found.memory, found.arithmetic) == (1, 1, 1, 1)


def test_a_calibrated_figure_holds_as_it_is_and_says_where_it_comes_from() -> None:
    """Reading takes twice as long as 90 % of a data sheet's 20 GB/s: 9 GB/s, of which all is reached."""
    start = replace(
        believed(DeviceKind.CPU),
        provenance=(("memory_bandwidth_bytes_per_s", Provenance.CATALOGUE),),
    )
    found = replace(
        fit(node("a", start), DeviceKind.CPU, (), ORIGIN), memory=2.0, learned=("memory",)
    )
    now = corrected(start, found)
    assert now.memory_bandwidth_bytes_per_s == pytest.approx(9e9)
    assert now.provenance_of("memory_bandwidth_bytes_per_s") is Provenance.CALIBRATED
    assert now.peak_flop_per_s == start.peak_flop_per_s


def test_one_request_at_a_time_teaches_nothing_of_a_further_sequence() -> None:
    noise = random.Random(5)
    run = run_on(truth(DeviceKind.CPU, noise), LOADS[0], noise, 0.0)
    found = fit(node("a", believed(DeviceKind.CPU)), DeviceKind.CPU, [run], ORIGIN)
    assert "memory" in found.learned
    assert "sequence" not in found.learned
    assert found.left_over >= 0.2


def test_a_correction_of_cpus_leaves_cards_alone() -> None:
    found = fit(node("a", believed(DeviceKind.CPU)), DeviceKind.CPU, (), ORIGIN)
    card = device()
    assert corrected(card, found) == card


def test_least_squares_meets_a_line_by_hand() -> None:
    """y = 2 x + 1 through three points."""
    rows = [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0)]
    assert least_squares(rows, [1.0, 3.0, 5.0]) == pytest.approx([2.0, 1.0])


def test_least_squares_refuses_an_unknown_that_no_row_speaks_of() -> None:
    with pytest.raises(ValueError, match="unknown"):
        least_squares([(1.0, 0.0)], [1.0])
