import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.measurement import Drafted
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_bench import benchmark_arguments, percentile, read_result

CAPTURED = json.loads(
    (Path(__file__).parents[1] / "data/engine/bench-vllm-0.32.0.json").read_text()
)
"""GPT-2, 4 requests of 512 and 128 tokens, one in flight; generated texts left out."""


def arguments(workload: Serve) -> tuple[str, ...]:
    return benchmark_arguments(
        base_url="http://127.0.0.1:8000/v1", served_model="m", tokenizer="/m",
        workload=workload, requests=9, folder="/f", file="r.json",
    )  # fmt: skip


def test_a_captured_run_is_read_as_vllm_summed_it_up() -> None:
    served = read_result(CAPTURED)
    assert served is not None
    assert served.completed == 4
    assert served.output_tokens == CAPTURED["total_output_tokens"]
    assert served.output_tokens_per_s.mean == pytest.approx(CAPTURED["output_throughput"], rel=0.01)
    assert served.first_token_s.mean == pytest.approx(CAPTURED["mean_ttft_ms"] / 1e3)
    assert served.first_token_s.p50 == pytest.approx(CAPTURED["median_ttft_ms"] / 1e3)
    assert served.token_interval_s.mean == pytest.approx(CAPTURED["mean_tpot_ms"] / 1e3)
    assert served.token_interval_s.p99 == pytest.approx(CAPTURED["p99_tpot_ms"] / 1e3)


def test_a_rate_per_request_is_what_the_whole_run_would_be_if_all_were_like_it() -> None:
    # Two requests at a time, each of 10 tokens: 2 s each in the first second pair, 4 s in the next.
    served = read_result(
        {
            "errors": [""] * 4,
            "latencies": [2.0, 2.0, 4.0, 4.0],
            "start_times": [0.0, 0.0, 2.0, 2.0],
            "ttfts": [1.0] * 4,
            "output_lens": [10] * 4,
            "input_lens": [5] * 4,
        }
    )
    assert served is not None
    assert served.duration_s == 6.0
    assert served.output_tokens_per_s.mean == pytest.approx(40 / 6)
    # 12 s of requests in 6 s: 2 in flight; 10 tokens in 2 s or 4 s each.
    assert served.output_tokens_per_s.p50 == pytest.approx((2 * 10 / 2 + 2 * 10 / 4) / 2)
    assert served.requests_per_s.mean == pytest.approx(4 / 6)


def test_a_drafted_token_that_was_right_saved_a_step() -> None:
    """Four answers of 128 tokens, 256 of them drafted right: 256 steps."""
    told = {"spec_decode_draft_tokens": 1000, "spec_decode_accepted_tokens": 256}
    plain, drafting = read_result(CAPTURED), read_result(CAPTURED | told)
    assert plain is not None
    assert drafting is not None
    assert plain.drafted is None
    assert drafting.drafted == Drafted(tokens=1000, right=256, tokens_per_step=2.0)


def test_failed_requests_are_counted_and_not_measured() -> None:
    failing = dict(CAPTURED) | {"errors": ["", "boom", "", ""]}
    served = read_result(failing)
    assert served is not None
    assert (served.completed, served.failed) == (3, 1)


def test_a_run_without_an_answer_is_no_measurement() -> None:
    assert read_result(dict(CAPTURED) | {"errors": ["boom"] * 4}) is None


def test_a_closed_loop_bounds_what_is_in_flight_and_an_open_one_sets_the_pace() -> None:
    closed = arguments(Serve(concurrent_requests=8))
    assert closed[closed.index("--max-concurrency") + 1] == "8"
    opened = arguments(Serve(request_rate_per_s=0.5))
    assert opened[opened.index("--request-rate") + 1] == "0.5"
    assert "--max-concurrency" not in opened
    assert "--ignore-eos" in opened


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_lies_between_the_extremes(values: list[float], percent: float) -> None:
    assert min(values) <= percentile(values, percent) <= max(values) * (1 + 1e-12)
