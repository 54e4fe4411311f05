"""What the comparison of links keeps: which copies are compared on which homes, every pair, and their table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from homecluster.domain.small_collectives import SmallCollectives
from homecluster.planner.speculation import DRAFTS

FILE: Final = Path(__file__).with_name("results") / "links.json"
SCHEMA: Final = "homecluster.bench-links/1"
PAIRS: Final = 5
"""Of each cell; its ratio is their median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two copies that are compared."""

    small_collectives: SmallCollectives
    drafts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One rank on each of `hosts` PCs, twice: as the engine does it, and as we do."""

    hosts: int
    tensor_parallel: int
    partition: tuple[int, ...] = (12,)
    """Of GPT-2's twelve layers."""
    stock: Side = Side(small_collectives=SmallCollectives.ENGINE)
    ours: Side = Side(small_collectives=SmallCollectives.EXCHANGE)
    answer_tokens: int | None = None
    """Without a number, as many as take a few seconds."""


_EXCHANGED: Final = Side(small_collectives=SmallCollectives.EXCHANGE)
_DRAFTING: Final = replace(_EXCHANGED, drafts=DRAFTS)
LAYOUTS: Final = {
    "tensor": Layout(hosts=2, tensor_parallel=2),
    "tensor-3": Layout(hosts=3, tensor_parallel=3),
    "tensor-4": Layout(hosts=4, tensor_parallel=4),
    "pipeline": Layout(hosts=2, tensor_parallel=1, partition=(6, 6)),
    "single": Layout(hosts=1, tensor_parallel=1),
    "drafting": Layout(hosts=2, tensor_parallel=2, stock=_EXCHANGED, ours=_DRAFTING),
    "drafting, long answers": Layout(
        hosts=2, tensor_parallel=2, stock=_EXCHANGED, ours=_DRAFTING, answer_tokens=96
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one process measures."""

    layout: str
    home: str

    @property
    def key(self) -> dict[str, str]:
        return {"layout": self.layout, "home": self.home}


GRID: Final = (
    *(Cell(layout="tensor", home=home) for home in ("1gbe", "wifi5", "hotspot")),
    Cell(layout="drafting", home="hotspot"),
    *(
        Cell(layout=layout, home="1gbe")
        for layout in ("tensor-3", "tensor-4", "pipeline", "single")
    ),
    *(Cell(layout="drafting, long answers", home=home) for home in ("wifi5", "hotspot")),
)
"""In the order in which it is measured."""


def read() -> dict[str, Any]:
    """All that was measured so far."""
    if not FILE.exists():
        return {"schema": SCHEMA, "pairs": [], "parity": []}
    facts: dict[str, Any] = json.loads(FILE.read_text())
    return facts


def keep(kind: str, row: dict[str, Any]) -> None:
    """Add a pair, or what became of a parity run."""
    facts = read()
    facts[kind].append(row)
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


def forget(cell: Cell) -> None:
    """Let the cell be measured anew."""
    facts = read()
    facts["pairs"] = [pair for pair in facts["pairs"] if not cell.key.items() <= pair.items()]
    FILE.write_text(json.dumps(facts, indent=1) + "\n")


def pairs_of(facts: dict[str, Any], cell: Cell) -> list[dict[str, Any]]:
    return [pair for pair in facts["pairs"] if cell.key.items() <= pair.items()]


def table(facts: dict[str, Any]) -> str:
    """Markdown: medians of the pairs of each cell; the ratio is of pairs, not of medians.

    Stock is the engine's own way; of `drafting` both sides exchange, and the second drafts tokens, too.
    A model of random weights soon repeats itself: its short answers accept hardly any draft, its long ones many.
    """
    lines = [
        "| layout | home | stock, tokens/s | ours, tokens/s | ratio, median (least to most) | pairs | tokens a step | same tokens |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in GRID:
        pairs = pairs_of(facts, cell)
        if not pairs:
            continue
        stock, ours = (
            median(pair[f"{side}_tokens_per_s"] for pair in pairs) for side in ("stock", "ours")
        )
        ratios = [pair["ours_tokens_per_s"] / pair["stock_tokens_per_s"] for pair in pairs]
        alike = "yes" if all(pair["same_tokens"] for pair in pairs) else "NO"
        lines.append(
            f"| {cell.layout} | {cell.home} | {stock:.2f} | {ours:.2f} | {median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {len(pairs)} | {median(pair['ours_tokens_per_step'] for pair in pairs):.2f} | {alike} |"
        )
    return "\n".join(lines)
