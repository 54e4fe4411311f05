from __future__ import annotations

from homecluster.web.job_rates import Counters, rates, read_counters

TEXT = """# HELP vllm:generation_tokens_total Number of generation tokens processed.
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{engine="0",model_name="gpt2"} 120.0
vllm:generation_tokens_total{engine="1",model_name="gpt2"} 30.0
vllm:num_requests_running{engine="0",model_name="gpt2"} 2.0
vllm:kv_cache_usage_perc{engine="0",model_name="gpt2"} 0.25
vllm:time_to_first_token_seconds_sum{engine="0"} 3.0
vllm:time_to_first_token_seconds_count{engine="0"} 6.0
vllm:time_to_first_token_seconds_bucket{engine="0",le="0.001"} 0.0
nonsense without a number
"""


def test_engines_of_one_job_are_added_up() -> None:
    assert read_counters(TEXT, 1.0).values["tokens"] == 150.0


def test_speed_is_what_came_between_two_looks() -> None:
    before = Counters(at_s=10.0, values={"tokens": 50.0, "first_token_sum_s": 1.0, "first_token_count": 2.0})  # fmt: skip
    now = read_counters(TEXT, 12.0)
    found = rates(before, now, at="now")
    assert found is not None
    assert found["output_tokens_per_s"] == 50.0
    assert found["first_token_s"] == 0.5
    assert found["kv_cache_ratio"] == 0.25


def test_one_look_says_no_speed() -> None:
    assert rates(None, read_counters(TEXT, 1.0), at="now") is None


def test_counters_that_fell_belong_to_another_engine() -> None:
    before = Counters(at_s=0.0, values={"tokens": 1000.0})
    assert rates(before, read_counters(TEXT, 1.0), at="now") is None


def test_foreign_text_has_no_counters() -> None:
    assert rates(Counters(at_s=0.0, values={}), read_counters("<html>", 1.0), at="now") is None
