"""From measured steps of tiny models to what a step, a layer and a sequence cost; pure arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a server with `layers` layers was asked for at once."""

    layers: int
    requests: int
    context_tokens: int
    """On average while the tokens came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheads:
    step_overhead_s: float
    layer_overhead_s: float
    sequence_overhead_s: float
    kv_cache_bandwidth_bytes_per_s: float | None
    """None: reading the cache took no time that could be measured."""
    disturbance: float
    """Median over undisturbed time of the load that suffered most: about 1 on a quiet PC."""


_FASTEST = 3
_AGREEMENT = 1.05


def undisturbed(samples: Sequence[float]) -> float:
    """Mean of the fastest three: other programs only ever add time, so the fastest are the truest."""
    return fmean(sorted(samples)[:_FASTEST])


def is_settled(samples: Sequence[float]) -> bool:
    """Whether the fastest three agree within 5 %, so that more samples would hardly change them."""
    fastest = sorted(samples)[:_FASTEST]
    return len(samples) > _FASTEST and fastest[-1] <= _AGREEMENT * fastest[0]


def solve(
    steps: Mapping[Load, Sequence[float]], cache_bytes_per_token: Mapping[int, int]
) -> Overheads:
    """Overheads that explain the undisturbed step times.

        t(L, B, c) = step + L layer + (B - 1) sequence + B c k(L) / kv

    L layers, B requests, c context tokens, k(L) cache bytes per token. The steps hold one depth and
    batch at two contexts (kv), the deep model at two batches (sequence), two depths at one batch.
    What a sequence costs in each layer counts as cost of a sequence of the deep model, which is as
    deep as the models that home PCs run.

    Raises:
        ValueError: a load that is needed was not measured.
    """
    times = {load: undisturbed(samples) for load, samples in steps.items()}
    depths = sorted({load.layers for load in times})
    shallow, deep = depths[0], depths[-1]
    single = {depth: _at(times, layers=depth, requests=1) for depth in (shallow, deep)}
    batch = max(load.requests for load in times)
    many = _all_at(times, layers=deep, requests=batch)
    short, long = many[0], many[-1]

    cache_bytes = cache_bytes_per_token[deep] * batch
    more_bytes = (long.context_tokens - short.context_tokens) * cache_bytes
    second_per_byte = max(0.0, times[long] - times[short]) / more_bytes

    def without_cache(load: Load) -> float:
        read = load.requests * load.context_tokens * cache_bytes_per_token[load.layers]
        return times[load] - read * second_per_byte

    bare = {depth: without_cache(load) for depth, load in single.items()}
    layer = max(0.0, (bare[deep] - bare[shallow]) / (deep - shallow))
    return Overheads(
        step_overhead_s=max(0.0, bare[shallow] - shallow * layer),
        layer_overhead_s=layer,
        sequence_overhead_s=max(0.0, (without_cache(short) - bare[deep]) / (batch - 1)),
        kv_cache_bandwidth_bytes_per_s=1 / second_per_byte if second_per_byte > 0 else None,
        disturbance=max(median(samples) / undisturbed(samples) for samples in steps.values()),
    )


def attention_rate(
    first_token_s: Mapping[int, Sequence[float]],
    attention_flop: Mapping[int, float],
    linear_flop_per_token: float,
    flop_per_s: float,
) -> float | None:
    """FLOP per second of a prefill's attention, from times to the first token by prompt tokens.

        t(n) = constant + n linear / F + attention(n) / rate

    None where attention adds less than the constant varies, as on a GPU: nothing can be told then.
    """
    short, long = min(first_token_s), max(first_token_s)
    times = {tokens: undisturbed(samples) for tokens, samples in first_token_s.items()}
    linear_s = (long - short) * linear_flop_per_token / flop_per_s
    attention_s = times[long] - times[short] - linear_s
    if attention_s < _TELLING_SHARE * times[short]:
        return None
    return (attention_flop[long] - attention_flop[short]) / attention_s


_TELLING_SHARE = 0.5


def _at(times: Mapping[Load, float], *, layers: int, requests: int) -> Load:
    return _all_at(times, layers=layers, requests=requests)[0]


def _all_at(times: Mapping[Load, float], *, layers: int, requests: int) -> list[Load]:
    loads = [load for load in times if (load.layers, load.requests) == (layers, requests)]
    if not loads:
        raise ValueError(f"no burst of {requests} requests was measured at {layers} layers")
    return sorted(loads, key=lambda load: load.context_tokens)
