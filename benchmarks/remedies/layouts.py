"""Every layout is started once; its troubles, and the remedies that it is itself, are measured while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.founding_case import Home
from benchmarks.remedies import rows, troubles
from benchmarks.remedies.rows import Row
from benchmarks.remedies.troubles import ON_HOTSPOT, OVER_HOTSPOT, Trouble
from benchmarks.remedies.world import (
    CABLE,
    HOTSPOT,
    SPAN_S,
    TROUBLE,
    asking,
    diagnosed,
    serving,
    set_link,
)

_UP: Final = ("up", "--model", "gpt2", "--random-weights", "--prompt-tokens", "16", "--output-tokens", "16")  # fmt: skip
_MANY: Final = 4
_TROUBLE_NEEDS_S: Final = 40.0
CUT: Final = ("layers cut 11,1", "the cut that it printed")
FEW: Final = ("one request for two stages", "four requests at a time")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One start and what is measured on it."""

    keys: tuple[tuple[str, str], ...]
    """Its rows: (trouble, remedy)."""
    needs_s: float
    measure: Callable[[Home, float], None]
    """Until that moment of time.monotonic, cell by cell."""

    @property
    def is_missing(self) -> bool:
        return not all(rows.is_kept(*key) for key in self.keys)


def _pins(tensor: int, pipeline: int, replicas: int, *more: str) -> tuple[str, ...]:
    return (
        *("--tensor-parallel", str(tensor), "--pipeline-parallel", str(pipeline)),
        *("--replicas", str(replicas), *more),
    )


def _tensor(at: Home, end_s: float) -> None:
    with serving(at, *_UP, *_pins(2, 1, 1, "--small-collectives", "engine")):
        _troubles(at, troubles.OF_TENSOR, end_s)


def _troubles(at: Home, each: tuple[Trouble, ...], end_s: float) -> None:
    for trouble in each:
        if troubles.is_kept(trouble) or time.monotonic() + _TROUBLE_NEEDS_S > end_s:
            continue
        try:
            troubles.applied(at, trouble)
        except TROUBLE as error:
            print(f"{trouble.name}: broke off: {error}", flush=True)


def _lopsided(at: Home, end_s: float) -> None:
    """The cut that `diagnose` prints is started by the command that it prints, and serves for the rest."""
    many = ("--concurrency", str(_MANY))
    even = (*_UP, *_pins(1, 2, 1), *many)
    if rows.is_kept(*CUT):
        with serving(at, *even):
            _pipeline(at, end_s)
        return
    with serving(at, *_UP, *_pins(1, 2, 1, "--partition", "11,1"), *many), asking(at, _MANY) as now:
        said, before = diagnosed(at), now.settled_rate(SPAN_S)
    cause = said.cause("uneven-split")
    with serving(at, *(cause["remedy"]["argv"][1:] if cause else even)):
        with asking(at, _MANY) as then:
            after = then.settled_rate(SPAN_S)
        rows.keep(
            Row(
                trouble=CUT[0], named=said.named, cause="uneven-split", remedy=CUT[1],
                before=before, after=after, said=said.gain("uneven-split"),
            )
        )  # fmt: skip
        _pipeline(at, end_s)


def _pipeline(at: Home, end_s: float) -> None:
    _over_hotspot(at, "pipeline parallel")
    if not rows.is_kept(*FEW):
        with asking(at, 1) as one:
            said, before = diagnosed(at), one.settled_rate(SPAN_S)
        with asking(at, _MANY) as many:
            after = many.settled_rate(SPAN_S)
        cause = "too-little-concurrency"
        rows.keep(
            Row(
                trouble=FEW[0], named=said.named, cause=cause, remedy=FEW[1],
                before=before, after=after, said=said.gain(cause),
            )
        )  # fmt: skip
    _troubles(at, troubles.OF_PIPELINE, end_s)


def _over_hotspot(at: Home, remedy: str) -> None:
    """What runs now, over the hotspot on which tensor parallel was asked for its remedies."""
    seen = rows.hotspot()
    if seen is None or rows.is_kept(OVER_HOTSPOT, remedy):
        return
    set_link(at, up=HOTSPOT, down=HOTSPOT)
    with asking(at, 1) as people:
        after = people.settled_rate(SPAN_S)
    set_link(at, up=CABLE, down=CABLE)
    rows.keep(
        Row(
            trouble=OVER_HOTSPOT, named=seen.named, cause=ON_HOTSPOT.cause, remedy=remedy,
            before=seen.before, after=after, said=seen.said.get(remedy),
        )
    )  # fmt: skip


def _one_pc(at: Home, _: float) -> None:
    """By the command that was printed."""
    seen = rows.hotspot()
    if seen is not None and seen.argv:
        with serving(at, *seen.argv[1:]):
            _over_hotspot(at, "one PC alone")


def _exchange(at: Home, _: float) -> None:
    with serving(at, *_UP, *_pins(2, 1, 1, "--small-collectives", "exchange")):
        _over_hotspot(at, "direct exchange")


def _copies(at: Home, _: float) -> None:
    with serving(at, *_UP, *_pins(1, 1, 2)):
        _over_hotspot(at, "a copy on each PC")


LAYOUTS: Final = (
    Layout(
        keys=tuple((one.name, one.remedy) for one in troubles.OF_TENSOR),
        needs_s=130.0, measure=_tensor,
    ),
    Layout(
        keys=(
            CUT, FEW, (OVER_HOTSPOT, "pipeline parallel"),
            *((one.name, one.remedy) for one in troubles.OF_PIPELINE),
        ),
        needs_s=170.0, measure=_lopsided,
    ),
    Layout(keys=((OVER_HOTSPOT, "one PC alone"),), needs_s=85.0, measure=_one_pc),
    Layout(keys=((OVER_HOTSPOT, "direct exchange"),), needs_s=85.0, measure=_exchange),
    Layout(keys=((OVER_HOTSPOT, "a copy on each PC"),), needs_s=95.0, measure=_copies),
)  # fmt: skip
"""The first one's diagnosis says what the last three and the pipeline are measured by."""
