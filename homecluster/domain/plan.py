"""What the planner answers: ranked plans, what was refused and why, and whether several PCs pay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homecluster.domain.estimate import Estimate
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.workload import Serve


class Backend(StrEnum):
    """Who joins the processes of one copy."""

    NONE = "none"
    RAY = "ray"
    MP = "mp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    rank: int
    layout: Layout
    backend: Backend
    backend_rule: str
    """Which rule chose it."""
    backend_reason: str
    nodes: tuple[NodeId, ...]
    estimate: Estimate
    reason: str
    """One sentence with figures: why it is as fast as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A layout that cannot run, by which rule, and by how much it misses."""

    tensor_parallel: int
    pipeline_parallel: int
    replicas: int
    nodes: tuple[NodeId, ...]
    rule: str
    detail: str
    shortfall_bytes: int | None = None


class VerdictKind(StrEnum):
    SINGLE_NODE = "single-node"
    REPLICAS = "replicas"
    MULTI_NODE_WORTH_IT = "multi-node-worth-it"
    MULTI_NODE_REQUIRED = "multi-node-required"
    CANNOT_RUN = "cannot-run"


class BreakEvenState(StrEnum):
    AT = "at"
    NEVER = "never"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakEven:
    """From which link on one copy over the best pair of PCs beats the baseline."""

    state: BreakEvenState
    rtt_s: float | None
    """With the bandwidth as it is; None: no RTT would do."""
    bandwidth_bytes_per_s: float | None
    """With the RTT as it is; None: no bandwidth would do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    kind: VerdictKind
    reason: str
    gain: float | None
    """Best plan beyond one PC over the baseline, in output tokens/s; None without a baseline."""
    break_even: BreakEven


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSet:
    model: ModelSpec
    workload: Serve
    cluster_fingerprint: str
    verdict: Verdict
    plans: tuple[Plan, ...]
    rejections: tuple[Rejection, ...]
    gap: float | None = None
    """No layout delivers more than the best one here by more than this share; None: with pins, or nothing runs."""
