"""What real runs said about this PC's devices, kept beside what probes measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from homecluster.domain.hardware import Device, DType, Provenance
from homecluster.errors import InputError
from homecluster.store.device_speeds import Fingerprint
from homecluster.store.files import read_json, write_json

SCHEMA: Final = "homecluster.calibration/1"
_FIELDS = (
    "step_overhead_s",
    "sequence_overhead_s",
    "memory_bandwidth_bytes_per_s",
    "peak_flop_per_s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Figures that hold as they are, whatever a probe says later."""

    step_overhead_s: float
    sequence_overhead_s: float
    memory_bandwidth_bytes_per_s: float
    peak_flop_per_s: tuple[tuple[DType, float], ...]
    fields: tuple[str, ...]
    """Those of the four that runs said something of; the others are not to be used."""
    error: float
    """Relative error that the runs left."""
    runs: int
    fitted_at: str
    """UTC, ISO 8601."""
    engine: str


def save_calibration(folder: Path, fingerprint: Fingerprint, calibration: Calibration) -> None:
    """Keep it for this hardware with this engine.

    Raises:
        MissingError: the folder cannot be written.
    """
    document = {"schema": SCHEMA} | {
        name: getattr(calibration, name) for name in Calibration.__dataclass_fields__
    }
    document["peak_flop_per_s"] = {str(d): rate for d, rate in calibration.peak_flop_per_s}
    write_json(_file(folder, fingerprint), document)


def load_calibration(folder: Path, fingerprint: Fingerprint) -> Calibration | None:
    """What `save_calibration` kept; None if nothing usable is there."""
    path = _file(folder, fingerprint)
    if not path.is_file():
        return None
    try:
        return _read(read_json(path, "calibration"))
    except (InputError, LookupError, TypeError, ValueError, AttributeError):
        return None  # damaged or of another homecluster: as if there had been no run


def calibrated(device: Device, known: Calibration) -> Device:
    """The device with the figures of its runs."""
    marks = dict(device.provenance) | dict.fromkeys(known.fields, Provenance.CALIBRATED)
    figures: dict[str, Any] = {field: getattr(known, field) for field in known.fields}
    return replace(
        device,
        **figures,
        calibration_error=known.error,
        calibrated_at=known.fitted_at,
        provenance=tuple(sorted(marks.items())),
    )


def _read(document: Mapping[str, Any]) -> Calibration:
    if document["schema"] != SCHEMA:
        raise ValueError(document["schema"])
    flops = tuple((DType(name), float(rate)) for name, rate in document["peak_flop_per_s"].items())
    found = Calibration(
        step_overhead_s=float(document["step_overhead_s"]),
        sequence_overhead_s=float(document["sequence_overhead_s"]),
        memory_bandwidth_bytes_per_s=float(document["memory_bandwidth_bytes_per_s"]),
        peak_flop_per_s=flops,
        fields=tuple(field for field in _FIELDS if field in document["fields"]),
        error=float(document["error"]),
        runs=int(document["runs"]),
        fitted_at=str(document["fitted_at"]),
        engine=str(document["engine"]),
    )
    positive = (found.memory_bandwidth_bytes_per_s, *(rate for _, rate in flops))
    if not flops or not all(0 < rate < float("inf") for rate in positive):
        raise ValueError("a speed that is none")
    if not all(
        0 <= figure < float("inf")
        for figure in (found.step_overhead_s, found.sequence_overhead_s, found.error)
    ):
        raise ValueError("a time that is none")
    return found


def _file(folder: Path, fingerprint: Fingerprint) -> Path:
    return folder / f"calibration-{fingerprint.kind}-{fingerprint.digest}.json"
