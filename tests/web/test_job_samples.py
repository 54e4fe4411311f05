from __future__ import annotations

from homecluster.engines.vllm_metrics import EngineCounters
from homecluster.web.job_samples import MOST_SAMPLES, JobSamples, sampled


def counters(tokens: float) -> EngineCounters:
    return EngineCounters(
        generated_tokens=tokens,
        first_token_sum_s=tokens / 50,
        first_token_count=tokens / 25,
        kv_cache_usage_ratio=0.25,
    )


def after(*looks: float) -> JobSamples:
    """Looks at the token counter, two seconds apart."""
    samples = None
    for number, tokens in enumerate(looks):
        samples = sampled(samples, counters(tokens), at_s=2.0 * number, unix_s=1000.0 + 2 * number)
    assert samples is not None
    return samples


def test_one_look_says_no_speed() -> None:
    assert after(50.0).window is None
    assert after(50.0).points == ()


def test_speed_is_what_came_between_two_looks() -> None:
    samples = after(50.0, 150.0)
    assert samples.points == ((1002.0, 50.0, 0.25),)
    assert samples.window is not None
    assert samples.window.first_token_s == 0.5


def test_an_engine_that_began_anew_keeps_what_was_seen_and_starts_over() -> None:
    samples = after(50.0, 150.0, 10.0)
    assert (samples.window, len(samples.points)) == (None, 1)


def test_only_the_last_minutes_are_kept() -> None:
    assert len(after(*map(float, range(MOST_SAMPLES + 20))).points) == MOST_SAMPLES
