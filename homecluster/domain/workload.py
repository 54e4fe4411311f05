"""What the model is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homecluster.domain.hardware import DType


class Goal(StrEnum):
    THROUGHPUT = "throughput"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """Answering requests: either a closed loop of `concurrent_requests` or an open one at `request_rate_per_s`."""

    prompt_tokens: int = 512
    output_tokens: int = 128
    concurrent_requests: int = 1
    request_rate_per_s: float | None = None
    """Open loop; `concurrent_requests` is then ignored."""
    goal: Goal = Goal.THROUGHPUT
    dtype: DType | None = None
    """None: what the device can, as vLLM decides."""
    max_model_len: int | None = None
    """None: prompt + output."""
    memory_utilization: float = 0.90

    def __post_init__(self) -> None:
        assert min(self.prompt_tokens, self.output_tokens, self.concurrent_requests) > 0
        assert 0 < self.memory_utilization <= 1

    @property
    def context_tokens(self) -> int:
        """Longest context a request may grow to."""
        return self.max_model_len or self.prompt_tokens + self.output_tokens
