"""What a running job was seen to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A quantity over the requests of a run."""

    mean: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafted:
    """What became of the tokens that were drafted during a run."""

    tokens: int
    right: int
    tokens_per_step: float
    """Of one request, over all its steps, also those that found nothing to draft."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How a job answered a workload.

    Means of the rates are of the whole run. Their percentiles are over requests: the rate at which
    the job would have worked, had every request been served as that one was.
    """

    output_tokens_per_s: Spread
    total_tokens_per_s: Spread
    requests_per_s: Spread
    first_token_s: Spread
    token_interval_s: Spread
    """Time per output token of one request after its first."""
    duration_s: float
    completed: int
    failed: int
    input_tokens: int
    output_tokens: int
    begun_at_s: float
    """On the monotonic clock, as `ended_at_s`."""
    ended_at_s: float
    drafted: Drafted | None = None
    """None where the job drafts nothing, or does not tell."""
