"""What lies in the folder of a job that trains: how far it is, and where its result goes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from homecluster.errors import HomeclusterError
from homecluster.store.files import read_json, write_json
from homecluster.store.job_store import JobFolder

SCHEMA = "homecluster.training-now/1"
_NOW = "training-now.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingNow:
    """After the last step that was told."""

    nodes: tuple[str, ...]
    output: str
    predicted_samples_per_s: float
    step: int = 0
    """Done so far; 0 before the first."""
    steps: int | None = None
    """In all; None before the job itself has said it."""
    loss: float | None = None
    samples_per_s: float | None = None


def write_training(folder: JobFolder, now: TrainingNow) -> None:
    """A full disk must not end a training that runs."""
    try:
        write_json(folder.path / _NOW, {"schema": SCHEMA} | asdict(now))
    except HomeclusterError:
        return


def read_training(folder: JobFolder) -> dict[str, Any] | None:
    """The table that was written last; None for a job that does not train."""
    path = folder.path / _NOW
    if not path.exists():
        return None
    try:
        document = read_json(path, "training")
    except HomeclusterError:  # damaged: the job itself is told all the same
        return None
    if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
        return None
    return document
