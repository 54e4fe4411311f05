"""What the training grid keeps: one probed PC, the kinds of links, and measured steps, in one file that grows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.domain.training import Method
from homecluster.store.engine_store import Engine
from tests.lab.lab import Lab
from tests.netprobe.in_lab import served

FILE: Final = Path(__file__).with_name("results") / "training.json"
SCHEMA: Final = "homecluster.bench-training/2"
CORES: Final = 0.6
"""Of each PC: three of them fit this machine's two, and leave something for the links between them."""
_PROBE_WITHIN_S: Final = 270.0
_LINK_WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    radio: bool
    """All PCs share the air: the links of such homes can turn into each other while they run."""
    steps: int
    """To measure; one more before them is left out."""


HOMES: Final = {
    "1gbe": Home(radio=False, steps=10),
    "wifi5": Home(radio=True, steps=5),
    "hotspot": Home(radio=True, steps=2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    home: str
    hosts: int
    method: Method
    stage: int

    @property
    def key(self) -> dict[str, Any]:
        return {
            "home": self.home,
            "hosts": self.hosts,
            "method": str(self.method),
            "stage": self.stage,
        }


def read() -> dict[str, Any]:
    """All that was measured so far."""
    if not FILE.exists():
        return {"schema": SCHEMA, "device": {}, "links": {}, "rows": []}
    facts: dict[str, Any] = json.loads(FILE.read_text())
    return facts


def keep(kind: str, name: str | None, value: Any) -> None:
    """Set the device or the links of a home, or add a row."""
    facts = read()
    if kind == "rows":
        facts["rows"].append(value)
    elif name is None:
        facts[kind] = value
    else:
        facts[kind][name] = value
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


def row_of(facts: Mapping[str, Any], cell: Cell) -> dict[str, Any] | None:
    """What was measured last of the cell."""
    return next((row for row in reversed(facts["rows"]) if cell.key.items() <= row.items()), None)


def probe(engine: Engine, homes: Sequence[str]) -> None:
    """Measure what the forecast needs and is not there."""
    if not read()["device"]:
        keep("device", None, _probed_device(engine))
    for home in homes:
        if home not in read()["links"]:
            keep("links", home, _probed_link(engine, home))


def _probed_device(engine: Engine) -> dict[str, Any]:
    """The cluster document of one PC, as `homecluster probe` prints it."""
    with Lab("1gbe", hosts=1, cpu_cores={"a": CORES}) as lab:
        ran = lab.host("a").run(
            [sys.executable, "-m", "homecluster", "probe", "--json"],
            env={"HOMECLUSTER_ENGINES": str(engine.path.parent)},
            timeout=_PROBE_WITHIN_S,
            check=True,
        )
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def _probed_link(engine: Engine, home: str) -> dict[str, Any]:
    """netprobe's report of two PCs, with the all-reduce of the engine's torch."""
    options = ("--engine-python", str(engine.python))
    with (
        Lab(home, hosts=2, cpu_cores={"a": CORES, "b": CORES}) as lab,
        served(lab, "a", "b", options=options),
    ):
        argv = [sys.executable, "-m", "netprobe", "run", lab.host("b").address, "--json", *options]
        ran = lab.host("a").run(argv, timeout=_LINK_WITHIN_S)
    report: dict[str, Any] = json.loads(ran.stdout)
    report.pop("samples", None)
    return report
