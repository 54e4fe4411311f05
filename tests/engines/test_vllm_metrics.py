"""vLLM's counters, from a page as it is printed."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.engines.vllm_metrics import EngineCounters, between, parse_metrics

PAGE = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="gpt2"} 2.0
vllm:num_requests_waiting{engine="0",model_name="a model with spaces"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="gpt2"} 0.25
vllm:num_preemptions_total{engine="0",model_name="gpt2"} 3.0
vllm:generation_tokens_total{engine="0",model_name="gpt2"} 1200.0
vllm:generation_tokens_total{engine="1",model_name="gpt2"} 300.0
vllm:generation_tokens_created{engine="0",model_name="gpt2"} 1.7e+09
vllm:inter_token_latency_seconds_sum{engine="0",model_name="gpt2"} 12.0
vllm:inter_token_latency_seconds_count{engine="0",model_name="gpt2"} 1000.0
process_resident_memory_bytes 1.4e+09
"""


def test_the_counters_of_all_engines_add_up() -> None:
    assert parse_metrics(PAGE).generated_tokens == 1500


def test_gauges_are_read_past_labels_with_spaces() -> None:
    counters = parse_metrics(PAGE)

    assert (counters.requests_running, counters.requests_waiting) == (2, 1)
    assert (counters.kv_cache_usage_ratio, counters.preemptions) == (0.25, 3)


def test_a_page_that_was_cut_off_tells_what_it_can() -> None:
    cut = PAGE[: PAGE.index("1200.0") - 20]

    assert parse_metrics(cut).generated_tokens is None
    assert parse_metrics(cut).preemptions == 3


@settings(max_examples=100, deadline=None)
@given(st.text() | st.lists(st.sampled_from(PAGE.splitlines())).map("\n".join))
def test_any_text_is_a_page(text: str) -> None:
    parse_metrics(text)


def test_rates_come_from_what_grew() -> None:
    before = EngineCounters(
        generated_tokens=100.0, preemptions=1.0, token_interval_sum_s=1.0, token_interval_count=10.0
    )
    after = EngineCounters(
        generated_tokens=150.0, preemptions=4.0, token_interval_sum_s=3.0, token_interval_count=60.0
    )

    window = between(before, after, 5.0)

    assert (window.output_tokens_per_s, window.preemptions) == (10.0, 3.0)
    assert window.token_interval_s == 0.04


def test_a_counter_that_fell_is_of_another_engine_and_says_nothing() -> None:
    window = between(
        EngineCounters(generated_tokens=100.0), EngineCounters(generated_tokens=5.0), 5.0
    )

    assert window.output_tokens_per_s is None


def test_a_page_of_vllm_0_32_is_read() -> None:
    """Kept from GPT-2 on a CPU after four requests; histograms' buckets left out."""
    page = Path(__file__).parents[1] / "data" / "engine" / "vllm-0.32-metrics.txt"

    counters = parse_metrics(page.read_text())

    assert (counters.generated_tokens, counters.preemptions) == (361, 0)
    assert (counters.token_interval_count, counters.kv_cache_usage_ratio) == (357, 0)


def test_gauges_count_at_their_higher_look() -> None:
    """The last request may end just before the second look."""
    window = between(
        EngineCounters(requests_running=3.0), EngineCounters(requests_running=0.0), 1.0
    )

    assert window.requests_running == 3
