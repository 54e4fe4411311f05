"""What a layout is expected to cost, split so that it can explain itself."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.ids import DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A prediction with its honest width."""

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        assert 0 <= self.low <= self.mid <= self.high

    def scaled(self, factor: float) -> Interval:
        return Interval(low=self.low * factor, mid=self.mid * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Where the time between two tokens of one request goes; the terms add up to `token_interval_s.mid`."""

    compute_s: float
    memory_s: float
    network_latency_s: float
    network_transfer_s: float
    host_s: float
    idle_s: float

    @property
    def total_s(self) -> float:
        return (
            self.compute_s
            + self.memory_s
            + self.network_latency_s
            + self.network_transfer_s
            + self.host_s
            + self.idle_s
        )

    @property
    def bottleneck(self) -> str:
        """The largest term's name without its unit."""
        name, _ = max(self.parts(), key=lambda part: part[1])
        return name.removesuffix("_s")

    def plus(self, other: Terms) -> Terms:
        return Terms(
            compute_s=self.compute_s + other.compute_s,
            memory_s=self.memory_s + other.memory_s,
            network_latency_s=self.network_latency_s + other.network_latency_s,
            network_transfer_s=self.network_transfer_s + other.network_transfer_s,
            host_s=self.host_s + other.host_s,
            idle_s=self.idle_s + other.idle_s,
        )

    def scaled(self, factor: float) -> Terms:
        return Terms(**{name: seconds * factor for name, seconds in self.parts()})

    def parts(self) -> tuple[tuple[str, float], ...]:
        """(field name, seconds) of every term."""
        return (
            ("compute_s", self.compute_s),
            ("memory_s", self.memory_s),
            ("network_latency_s", self.network_latency_s),
            ("network_transfer_s", self.network_transfer_s),
            ("host_s", self.host_s),
            ("idle_s", self.idle_s),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUse:
    """What one device must hold, against what it may."""

    device: DeviceId
    weights_bytes: int
    kv_cache_bytes: int
    """What is left for the KV cache, which the engine takes whole."""
    activations_bytes: int
    overhead_bytes: int
    capacity_bytes: int
    optimizer_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A layout's predicted speed and memory for one workload."""

    output_tokens_per_s: Interval
    total_tokens_per_s: Interval
    """Input and output tokens, as older vLLM benchmarks count."""
    requests_per_s: Interval
    first_token_s: Interval
    """With queueing at this concurrency."""
    token_interval_s: Interval
    """Time per output token of one request after its first."""
    start_up_s: Interval
    start_up_parts: tuple[tuple[str, float], ...]
    """(part, seconds): process start, weights, profiling pass, its traffic over the links, compilation."""
    terms: Terms
    memory: tuple[MemoryUse, ...]
    kv_cache_tokens: int
    running_requests: int
    """Requests of one copy that the KV cache lets run at once (at most the concurrency)."""
    messages_per_token: float = 0.0
    """Network messages that wait for one another between two tokens; 0 inside one PC."""
    assumptions: tuple[str, ...] = ()

    @property
    def bottleneck(self) -> str:
        return self.terms.bottleneck
