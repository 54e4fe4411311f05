"""What the grid puts into the docs: the figures of docs/accuracy.md and the table of docs/several-pcs.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.grid import picture, report, starting
from benchmarks.grid.cells import LINKS, LOADS, STARTS, Load, Start
from benchmarks.grid.facts import Row
from benchmarks.grid.judge import TOKEN_TIME, Judged

_DOCS: Final = Path(__file__).parents[2] / "docs"
_SHOWN: Final = ("hotspot", "wifi5", "1gbe")
_BEGIN, _END = "<!-- grid: begin -->", "<!-- grid: end -->"


def write() -> None:
    """Both pages and the picture, from what is kept."""
    judged = report.judged_now()
    told = f"{report.summary(judged)}\n\n{starting.summary()}"
    _replace(_DOCS / "accuracy.md", told)
    _replace(_DOCS / "several-pcs.md", gangs(judged))
    picture.draw(judged, _DOCS / "pictures" / "accuracy.svg")


def _replace(page: Path, told: str) -> None:
    """What stands between the page's two marks."""
    before, _, rest = page.read_text("utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    page.write_text(f"{before}{_BEGIN}\n{told}\n{_END}{after}", "utf-8")


def gangs(judged: Sequence[Judged]) -> str:
    """Each layout over several PCs with one request in flight, measured / predicted."""
    starts = starting.newest()
    shown = " | ".join(f"ms a token, {link}" for link in _SHOWN)
    lines = [
        f"| model and layout | by | start-up, s | {shown} | bytes a token | same tokens |",
        "|---|---|---|" + "---|" * len(_SHOWN) + "---|---|",
    ]
    for start in STARTS:
        own = [one for one in judged if one.row["start"] == start.name and _is_one(one)]
        if start.layout != "single" and own:
            lines.append(_line(start, own, starts))
    return "\n".join(lines)


def _line(start: Start, own: Sequence[Judged], starts: dict[tuple[str, str], Row]) -> str:
    by_link = {one.row["link"]: one for one in own}
    intervals = [
        f"{by_link[link].measured[TOKEN_TIME] * 1e3:.0f} / "
        f"{by_link[link].predicted[TOKEN_TIME].mid * 1e3:.0f}"
        if link in by_link
        else "-"
        for link in _SHOWN
    ]
    tokens = own[0].row["output_tokens"]
    seen, planned = own[0].link_bytes
    name = start.name.removesuffix(" by Ray")
    cells = [
        name,
        str(start.backend),
        _start_up(start, starts),
        *intervals,
        f"{seen / tokens:.0f} / {planned / tokens:.0f}",
        _same_tokens(start, starts),
    ]
    return f"| {' | '.join(cells)} |"


def _start_up(start: Start, starts: dict[tuple[str, str], Row]) -> str:
    row = starts.get((start.name, next(iter(LINKS))))
    if row is None:
        return "-"
    said = starting.predicted_s(row)
    return f"{row['start_up_s']:.0f} / {said:.0f}"


def _same_tokens(start: Start, starts: dict[tuple[str, str], Row]) -> str:
    link = next(iter(LINKS))
    own, alone = starts.get((start.name, link)), starts.get((f"{start.model} single", link))
    if own is None or alone is None:
        return "-"
    same = sum(a == b for a, b in zip(own["tokens"], alone["tokens"], strict=True))
    return "yes" if same == len(alone["tokens"]) else f"the first {_agreeing(own, alone)}"


def _agreeing(own: Row, alone: Row) -> int:
    pairs: Iterable[tuple[int, int]] = zip(own["tokens"], alone["tokens"], strict=True)
    return next(index for index, (a, b) in enumerate(pairs) if a != b)


def _is_one(one: Judged) -> bool:
    load = Load(requests=one.row["requests"], prompt_tokens=one.row["prompt_tokens"])
    return load == LOADS[0]
