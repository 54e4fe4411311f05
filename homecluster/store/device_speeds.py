"""Measured device speeds, kept under a fingerprint of the hardware and engine that they belong to."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from homecluster.domain.hardware import DType
from homecluster.errors import InputError
from homecluster.store.files import read_json, write_json

SCHEMA = "homecluster.device-speeds/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What must be the same for a measurement to hold."""

    kind: str
    name: str
    cores: int
    """Physical cores that the engine may use; they drive GPUs, too."""
    memory_bytes: int
    """Of a GPU; 0 for a CPU, whose speed does not depend on how much RAM there is."""
    driver: str
    vllm: str
    torch: str

    @property
    def digest(self) -> str:
        fields = [self.kind, self.name, self.cores, self.memory_bytes, self.driver, self.vllm, self.torch]  # fmt: skip
        return hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpeeds:
    """What was measured; None and absent number formats were not."""

    fingerprint: Fingerprint
    measured_at: str
    """UTC, ISO 8601."""
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: tuple[tuple[DType, float], ...]
    step_overhead_s: float | None
    layer_overhead_s: float | None
    sequence_overhead_s: float | None
    kv_cache_bandwidth_bytes_per_s: float | None
    attention_flop_per_s: float | None
    sampling_s_per_logit: float | None
    server_start_s: float | None
    worker_start_s: float | None
    engine_ready_s: float | None
    disturbance: float | None
    """How much longer than undisturbed equal work took: about 1 on a quiet PC."""

    def age_s(self, now: datetime) -> float:
        return max(0.0, (now - datetime.fromisoformat(self.measured_at)).total_seconds())


def speeds_from_probe(
    probe: Mapping[str, Any], fingerprint: Fingerprint, measured_at: str
) -> DeviceSpeeds:
    """Speeds in the document of `homecluster.jobs.device_probe`.

    The bandwidth is that of the first number format, which the engine uses by default.

    Raises:
        ValueError: a number is missing, not positive or not finite.
    """
    kernels = probe["kernels"]
    bandwidths: dict[str, float] = kernels["memory_bandwidth_bytes_per_s"]
    overheads = probe.get("overheads") or {}
    start_up = overheads.get("start_up") or {}
    return DeviceSpeeds(
        fingerprint=fingerprint,
        measured_at=measured_at,
        memory_bandwidth_bytes_per_s=_rate(next(iter(bandwidths.values()))),
        peak_flop_per_s=tuple(
            (DType(dtype), _rate(rate)) for dtype, rate in kernels["peak_flop_per_s"].items()
        ),
        step_overhead_s=_seconds(overheads.get("step_overhead_s")),
        layer_overhead_s=_seconds(overheads.get("layer_overhead_s")),
        sequence_overhead_s=_seconds(overheads.get("sequence_overhead_s")),
        kv_cache_bandwidth_bytes_per_s=_optional_rate(
            overheads.get("kv_cache_bandwidth_bytes_per_s")
        ),
        attention_flop_per_s=_optional_rate(overheads.get("attention_flop_per_s")),
        sampling_s_per_logit=_optional_rate(kernels.get("sampling_s_per_logit")),
        server_start_s=_optional_rate(start_up.get("server_start_s")),
        worker_start_s=_optional_rate(start_up.get("worker_start_s")),
        engine_ready_s=_optional_rate(start_up.get("engine_ready_s")),
        disturbance=_optional_rate(overheads.get("disturbance")),
    )


def save_probe(
    folder: Path, probe: Mapping[str, Any], fingerprint: Fingerprint, measured_at: str
) -> DeviceSpeeds:
    """Keep the probe's document whole; what is returned is what `load_speeds` will find.

    Raises:
        ValueError: as `speeds_from_probe`; nothing is kept.
        MissingError: the folder cannot be written.
    """
    speeds = speeds_from_probe(probe, fingerprint, measured_at)
    document = {
        "schema": SCHEMA,
        "fingerprint": {
            name: getattr(fingerprint, name) for name in Fingerprint.__dataclass_fields__
        },
        "measured_at": measured_at,
        "probe": dict(probe),
    }
    write_json(_file(folder, fingerprint), document)
    return speeds


def load_speeds(folder: Path, fingerprint: Fingerprint) -> DeviceSpeeds | None:
    """What was measured of this hardware with this engine; None if nothing usable is kept."""
    path = _file(folder, fingerprint)
    if not path.is_file():
        return None
    try:
        document = read_json(path, "device measurement")
        if document["schema"] != SCHEMA:
            return None
        measured_at = document["measured_at"]
        datetime.fromisoformat(measured_at)
        return speeds_from_probe(document["probe"], fingerprint, measured_at)
    except (InputError, LookupError, TypeError, ValueError, AttributeError, StopIteration):
        return None  # damaged or of another homecluster: as if it had never been measured


def _file(folder: Path, fingerprint: Fingerprint) -> Path:
    return folder / f"{fingerprint.kind}-{fingerprint.digest}.json"


def _rate(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{value!r} is not a rate")
    return number


def _optional_rate(value: Any) -> float | None:
    return None if value is None else _rate(value)


def _seconds(value: Any) -> float | None:
    if value is None:
        return None
    number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{value!r} is not a time")
    return number
