"""What a PC and its devices are and how fast they are, each number with where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from homecluster.domain.ids import DeviceId, NodeId


class Provenance(StrEnum):
    """How far a number can be trusted."""

    CALIBRATED = "calibrated"
    """Fitted to real runs of the engine: holds as it is."""
    MEASURED = "measured"
    """By a probe."""
    CATALOGUE = "catalogue"
    ASSUMED = "assumed"


class DeviceKind(StrEnum):
    CUDA = "cuda"
    CPU = "cpu"


class DType(StrEnum):
    """Number formats that weights, KV cache and arithmetic use."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"


ANY_CPU = -1
"""In place of a logical CPU's number: a core's worth of time on whichever CPU is free."""

DTYPE_BYTES = {DType.FP32: 4, DType.FP16: 2, DType.BF16: 2, DType.FP8: 1, DType.INT8: 1}


class WslMode(StrEnum):
    """WSL2's networking modes; only some let other PCs reach this one."""

    NAT = "nat"
    MIRRORED = "mirrored"
    VIRTIOPROXY = "virtioproxy"
    CONSOMME = "consomme"
    BRIDGED = "bridged"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A GPU, or the CPU seen as a device.

    The speeds are what the engine gets, if measured, else the data sheet's; `planner.compute`
    derates by provenance.
    """

    id: DeviceId
    node_id: NodeId
    kind: DeviceKind
    name: str
    memory_total_bytes: int
    memory_free_bytes: int
    memory_bandwidth_bytes_per_s: float
    """Rate at which weights stream through arithmetic in a decode step."""
    peak_flop_per_s: tuple[tuple[DType, float], ...]
    """Dense matrix arithmetic by number format."""
    step_overhead_s: float
    """Host time per engine step that no model size changes: scheduler, sampler, API server."""
    layer_overhead_s: float
    """Time per layer and step beyond moving bytes and arithmetic: launches, small operations."""
    sequence_overhead_s: float
    """Host time that each further sequence adds to a step."""
    kv_cache_bandwidth_bytes_per_s: float | None = None
    """Rate at which a decode step's attention reads the KV cache; None: as fast as weights stream."""
    attention_flop_per_s: float | None = None
    """Arithmetic of attention over a prompt, masked half not counted; None: as fast as other matrix products."""
    sampling_s_per_logit: float | None = None
    """Time to draw a token, per entry of the vocabulary; None: as devices of its kind do."""
    server_start_s: float | None = None
    """Until the engine's own process begins: interpreter, imports, the model's configuration; None: as usual."""
    worker_start_s: float | None = None
    """One more process that loads the engine's code, as each rank of a copy over several devices is."""
    engine_ready_s: float | None = None
    """From there until a tiny model answers: memory, compilation, warm-up, the API."""
    compute_capability: tuple[int, int] | None = None
    """CUDA only, e.g. (8, 9)."""
    calibrated_at: str | None = None
    """When the last run was fitted; UTC, ISO 8601."""
    calibration_error: float | None = None
    """Relative error that real runs left after calibration; None: there were none."""
    provenance: tuple[tuple[str, Provenance], ...] = ()
    """(field name, provenance); a field that is not named is assumed."""

    def __post_init__(self) -> None:
        assert 0 <= self.memory_free_bytes <= self.memory_total_bytes
        assert self.memory_bandwidth_bytes_per_s > 0
        optional = (
            self.kv_cache_bandwidth_bytes_per_s,
            self.attention_flop_per_s,
            self.sampling_s_per_logit,
            self.server_start_s,
            self.worker_start_s,
            self.engine_ready_s,
        )
        assert all(number is None or number > 0 for number in optional)

    def provenance_of(self, field: str) -> Provenance:
        return dict(self.provenance).get(field, Provenance.ASSUMED)

    def flop_per_s(self, dtype: DType) -> float | None:
        """None where the device has no arithmetic of this format."""
        return dict(self.peak_flop_per_s).get(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interconnect:
    """What joins the devices inside one PC."""

    rtt_s: float
    bandwidth_bytes_per_s: float
    provenance: Provenance = Provenance.ASSUMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A PC."""

    id: NodeId
    hostname: str
    os: str
    """linux, wsl2, macos or windows."""
    ram_bytes: int
    cpu_cores: int
    devices: tuple[Device, ...]
    interconnect: Interconnect | None = None
    wsl_mode: WslMode | None = None
    addresses: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    """(software, version), e.g. ("vllm", "0.32.0")."""
    observed_at: str | None = None
    """UTC, ISO 8601; None for a document written by hand."""

    def __post_init__(self) -> None:
        assert all(device.node_id == self.id for device in self.devices)
