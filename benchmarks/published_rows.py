"""Predictions without any calibration beside published runs of vLLM on known cards: how far off, and in the right order?

    python -m benchmarks.published_rows [--markdown] ROWS.jsonl ...

Which rows can be judged is decided row by row in `benchmarks.published_judging` and listed in docs/published-rows.md.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.published_judging import Compared, judge

Pair = tuple[Compared, Compared]

_WORST: Final = 8
_MOST_PER_PAIR: Final = 1.10
"""Layouts whose rates differ by less are as good as one another."""


def main() -> None:
    arguments = [one for one in sys.argv[1:] if one != "--markdown"]
    judged = [(row, judge(row)) for name in arguments for row in read(Path(name))]
    compared = [one for _, one in judged if isinstance(one, Compared)]
    if "--markdown" in sys.argv:
        print(markdown(judged))
    else:
        for row, one in judged:
            print(line(one) if isinstance(one, Compared) else f"{named(row):64} left out: {one}")
    print(summary(compared, len(judged)))


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in file.read_text(encoding="utf-8").splitlines() if text]


def line(one: Compared) -> str:
    measured, predicted = one.tokens_per_s
    text = f"{one.label:64} tok/s {measured:8.0f} {predicted:8.0f} {predicted / measured:5.2f}x"
    if one.interval_s:
        seen_s, told_s = one.interval_s
        text += f"   interval {seen_s * 1e3:6.1f} {told_s * 1e3:6.1f} ms {told_s / seen_s:5.2f}x"
    return text


def summary(compared: Sequence[Compared], rows: int) -> str:
    rates = error([one.tokens_per_s for one in compared])
    intervals = error([one.interval_s for one in compared if one.interval_s])
    alike, every = pairs(compared), faster_first(compared)
    return (
        f"\n{len(compared)} of {rows} rows can be judged.\n"
        f"Median error: {rates:.1%} in tokens/s, {intervals:.1%} in the time between tokens.\n"
        f"{len(every) - len(wrong(every))} of {len(every)} pairs of rows that differ by more than 10 % are in the measured order; "
        f"of one model, card and load {len(alike) - len(wrong(alike))} of {len(alike)}."
    )


def markdown(judged: Sequence[tuple[dict[str, Any], Compared | str]]) -> str:
    lines = ["| row | measured tokens/s | predicted | |", "|---|---|---|---|"]
    for _, one in judged:
        if isinstance(one, Compared):
            measured, predicted = one.tokens_per_s
            lines.append(
                f"| {one.label} | {measured:.0f} | {predicted:.0f} | {predicted / measured:.2f} x |"
            )
    compared = [one for _, one in judged if isinstance(one, Compared)]
    lines += ["", *by_term(sorted(compared, key=lambda one: -one.off)[:_WORST])]
    lines += ["", *(f"- {a.label} before {b.label}" for a, b in wrong(pairs(compared)))]
    lines += ["", "| row | left out because |", "|---|---|"]
    lines += [f"| {named(row)} | {one} |" for row, one in judged if isinstance(one, str)]
    return "\n".join(lines)


def by_term(compared: Sequence[Compared]) -> list[str]:
    """Where the predicted time between tokens goes, beside the measured one, in milliseconds."""
    names = [name.removesuffix("_s").replace("_", " ") for name, _ in compared[0].terms.parts()]
    lines = [f"| row | tokens/s | measured ms | predicted ms | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 4) + "|")
    for one in compared:
        measured, predicted = one.tokens_per_s
        seen = f"{one.interval_s[0] * 1e3:.1f}" if one.interval_s else "-"
        parts = " | ".join(f"{seconds * 1e3:.1f}" for _, seconds in one.terms.parts())
        lines.append(
            f"| {one.label} | {predicted / measured:.2f} x | {seen} | {one.terms.total_s * 1e3:.1f} | {parts} |"
        )
    return lines


def named(row: dict[str, Any]) -> str:
    return f"{str(row.get('system'))[:40]}, {str(row.get('model'))[:40]}".replace("|", "/")


def error(seen: Sequence[tuple[float, float]]) -> float:
    """Median of |predicted / measured - 1|."""
    return median(abs(predicted / measured - 1) for measured, predicted in seen)


def wrong(ordered: Sequence[Pair]) -> list[Pair]:
    """Pairs that are predicted the other way round."""
    return [(a, b) for a, b in ordered if a.tokens_per_s[1] <= b.tokens_per_s[1]]


def pairs(compared: Sequence[Compared]) -> list[Pair]:
    """Rows that ask one question of two layouts: of the same model, card and load."""
    groups: defaultdict[tuple[object, ...], list[Compared]] = defaultdict(list)
    for one in compared:
        groups[one.group].append(one)
    return [pair for members in groups.values() for pair in faster_first(members)]


def faster_first(compared: Sequence[Compared]) -> list[Pair]:
    """Any two rows whose measured rates differ by more than 10 %, the faster first."""
    return [
        (a, b)
        for a, b in permutations(compared, 2)
        if a.tokens_per_s[0] > _MOST_PER_PAIR * b.tokens_per_s[0]
    ]


if __name__ == "__main__":
    main()
