"""Where state lives on this PC: one directory, private to its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """`home` holds everything; `engines` may be moved apart because it is gigabytes."""

    home: Path
    engines: Path

    @property
    def devices(self) -> Path:
        """Measured device speeds, one file per hardware fingerprint and engine."""
        return self.home / "devices"

    @property
    def models(self) -> Path:
        """Model folders made with random weights."""
        return self.home / "models"

    @property
    def jobs(self) -> Path:
        """One folder per job: state, launch, logs."""
        return self.home / "jobs"

    @property
    def shares(self) -> Path:
        """As `jobs`, of what this PC runs for a job that the cluster's coordinator looks after."""
        return self.home / "shares"

    @property
    def links(self) -> Path:
        """Raw link measurements, one file per probe."""
        return self.home / "links"

    @property
    def cluster(self) -> Path:
        """The believed cluster: PCs and links as last probed."""
        return self.home / "cluster.json"

    @property
    def benches(self) -> Path:
        """Calibration records: measured beside predicted."""
        return self.home / "benches"


def paths_from(environment: Mapping[str, str]) -> Paths:
    """`HOMECLUSTER_HOME` moves all state, `HOMECLUSTER_ENGINES` the engine environments alone."""
    home = Path(environment.get("HOMECLUSTER_HOME") or platformdirs.user_data_path("homecluster"))
    engines = environment.get("HOMECLUSTER_ENGINES")
    home = home.expanduser().absolute()
    return Paths(
        home=home, engines=Path(engines).expanduser().absolute() if engines else home / "engines"
    )


def paths_at(home: Path, environment: Mapping[str, str]) -> Paths:
    """As `paths_from`, for an agent or a job that was told its home; the engines may still lie apart."""
    return paths_from({**environment, "HOMECLUSTER_HOME": str(home)})
