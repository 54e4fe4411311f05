"""What the grid of gangs keeps: probed devices, measured links and measured gangs, in one file that grows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from tests.cluster.gang_in_lab import CORES

FILE: Final = Path(__file__).with_name("results") / "gangs.json"
SCHEMA: Final = "homecluster.bench-gangs/1"
HOMES: Final = ("hotspot", "wifi5", "1gbe", "mixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One rank on each of `hosts` PCs."""

    hosts: int
    tensor_parallel: int
    partition: tuple[int, ...]
    """Of GPT-2's twelve layers."""
    small_collectives: SmallCollectives = SmallCollectives.ENGINE

    @property
    def cores(self) -> float:
        """Of each PC."""
        return CORES / max(2, self.hosts)


SHAPES: Final = {
    "tensor": Shape(hosts=2, tensor_parallel=2, partition=(12,)),
    "exchange": Shape(
        hosts=2,
        tensor_parallel=2,
        partition=(12,),
        small_collectives=SmallCollectives.EXCHANGE,
    ),
    "pipeline": Shape(hosts=2, tensor_parallel=1, partition=(6, 6)),
    "uneven": Shape(hosts=2, tensor_parallel=1, partition=(4, 8)),
    "three": Shape(hosts=3, tensor_parallel=1, partition=(4, 4, 4)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One thing to measure, in a process of its own."""

    home: str
    layout: str
    backend: Backend = Backend.MP

    @property
    def shape(self) -> Shape:
        return SHAPES[self.layout]

    @property
    def key(self) -> dict[str, str]:
        return {"home": self.home, "layout": self.layout, "backend": str(self.backend)}


_PAIRS: Final = tuple(
    Cell(home=home, layout=layout, backend=backend)
    for home in HOMES
    for backend in (Backend.MP, Backend.RAY)
    for layout in ("tensor", "pipeline", "uneven")
)
_EXCHANGES: Final = tuple(Cell(home=home, layout="exchange") for home in HOMES)
_THREES: Final = tuple(
    Cell(home=home, layout="three", backend=backend)
    for home in HOMES
    for backend in (Backend.MP, Backend.RAY)
)
GRID: Final = (*_PAIRS, *_EXCHANGES, *_THREES)
"""In the order in which it is measured."""


def read() -> dict[str, Any]:
    """All that was measured so far."""
    if not FILE.exists():
        return {"schema": SCHEMA, "devices": {}, "links": {}, "rows": []}
    facts: dict[str, Any] = json.loads(FILE.read_text())
    return facts


def keep(kind: str, name: str | None, value: Any) -> None:
    """Add a device, the links of a home, or a row."""
    facts = read()
    if name is None:
        facts[kind].append(value)
    else:
        facts[kind][name] = value
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


def row_of(facts: Mapping[str, Any], cell: Cell) -> dict[str, Any] | None:
    """What was measured last of the cell."""
    return next((row for row in reversed(facts["rows"]) if cell.key.items() <= row.items()), None)


def device_name(shape: Shape) -> str:
    return f"{shape.cores:.2f}"


def links_name(home: str, hosts: int) -> str:
    return f"{home}/{hosts}"


def pairs(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple(combinations(names, 2))
