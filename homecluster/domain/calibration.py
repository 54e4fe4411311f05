"""What real runs of the engine said about a PC's devices, beyond probes and data sheets."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.workload import Serve


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One measured run inside one PC."""

    spec: ModelSpec
    workload: Serve
    layout: Layout
    first_token_s: float
    token_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """Factors on the times that a device's figures imply; 1.2: it takes 20 % longer."""

    kind: DeviceKind
    step: float
    """The host's time for each step."""
    sequence: float
    """The host's time for each further sequence."""
    memory: float
    """Reading weights and KV cache: the inverse of the effective bandwidth."""
    arithmetic: float
    """Multiplying: the inverse of the effective FLOP/s of a prefill."""
    learned: tuple[str, ...]
    """The factors that the runs say something of; the others stay as they were believed."""
    runs: int
    left_over: float
    """Typical relative error of the runs after the correction."""
    fitted_at: str
    """UTC, ISO 8601."""
    engine: str
    """Name of the engine environment that ran."""
