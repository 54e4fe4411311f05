"""The grid as text: errors of each figure by what they may depend on, and every cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import fmean, median
from typing import Final

from benchmarks.grid import facts, forecast
from benchmarks.grid.forecast import Forecaster, Learned, is_lesson
from benchmarks.grid.judge import (
    FIGURES,
    TOKEN_TIME,
    Judged,
    by,
    judge,
    regrets,
    summed_up,
)

_WORST: Final = 12
_TERMS: Final = {
    "computing": ("compute_s", "memory_s"),
    "links": ("network_latency_s", "network_transfer_s"),
    "the host": ("host_s",),
    "waiting for a busy stage": ("idle_s",),
}


def judged_now(learned: Learned = Learned.OWN) -> list[Judged]:
    """Today's predictions of every run, whatever was learned from left out."""
    rows = [row for row in facts.rows() if row["rounds"] and not is_lesson(row)]
    return judge(rows, Forecaster(forecast.known(), learned))


def by_lesson() -> str:
    """The same runs, by what the PC was calibrated to."""
    lines = [
        f"| calibrated to | runs | {' | '.join(f'{figure}: median, 90 % within' for figure in FIGURES)} |",
        "|---|---|" + "---|" * len(FIGURES),
    ]
    for learned in Learned:
        judged = judged_now(learned)
        sums = [summed_up(judged, figure) for figure in FIGURES]
        told = " | ".join(f"{one.median:.1%}, {one.nine_tenths:.1%}" for one in sums)
        lines.append(f"| {learned} | {len(judged)} | {told} |")
    return "\n".join(lines)


def summary(judged: Sequence[Judged]) -> str:
    """Errors by what they may depend on, and the cells that are furthest off."""
    worst = sorted(judged, key=lambda one: one.error(TOKEN_TIME), reverse=True)
    parts = [
        totals(judged),
        by_lesson(),
        grouped(judged, "model", lambda one: forecast.start_of(one.row).model),
        grouped(judged, "layout", _layout),
        grouped(judged, "link", lambda one: str(one.row["link"])),
        grouped(judged, "in flight x prompt", _load),
        grouped(judged, "largest term of the prediction", largest_term),
        "The cells that are furthest off:",
        cells(worst[:_WORST]),
    ]
    return "\n\n".join(parts)


def totals(judged: Sequence[Judged]) -> str:
    lines = [
        "| figure | runs | median error | 90 % within | inside the stated interval |",
        "|---|---|---|---|---|",
    ]
    for figure in FIGURES:
        all_ = summed_up(judged, figure)
        lines.append(
            f"| {figure} | {all_.cells} | {all_.median:.1%} | {all_.nine_tenths:.1%} | {all_.inside:.0%} |"
        )
    spread = median(one.spread for one in judged)
    off = [
        abs(seen / planned - 1) for seen, planned in (one.link_bytes for one in judged) if planned
    ]
    lost = regrets(judged)
    lines += [
        "",
        f"Repeated rounds of one run differ by {spread:.1%} (median of the relative deviations of time per output token).",
    ]
    if again := sorted(drift()):
        lines.append(
            f"{len(again)} cells were measured again hours later on the same shared machine: time per output token "
            f"then differed by {median(again):.1%} (median), 90 % of them by less than {again[len(again) * 9 // 10]:.1%}."
        )
    if off:
        lines.append(
            f"Bytes on the links: median error {median(off):.1%}, most {max(off):.1%}, over {len(off)} runs."
        )
    if lost:
        lines.append(
            f"Choice of the layout: {len(lost)} questions, {fmean(lost):.1%} of the best layout's rate "
            f"lost on average, at most {max(lost):.1%}."
        )
    return "\n".join(lines)


def drift() -> list[float]:
    """How far the last run of a cell lies from its first, relative."""
    took_s = [
        [forecast.mean(row, "token_interval_s") for row in runs]
        for runs in facts.repeats(facts.rows())
    ]
    return [abs(last_s / first_s - 1) for first_s, last_s in took_s]


def grouped(judged: Iterable[Judged], name: str, key: Callable[[Judged], str]) -> str:
    """Median errors by some property of the cells; the sign says whether the planner is too slow (+)."""
    lines = [
        f"| {name} | runs | {' | '.join(FIGURES)} | said / measured, time per output token |",
        "|---|---|" + "---|" * len(FIGURES) + "---|",
    ]
    for value, group in sorted(by(judged, key).items()):
        medians = " | ".join(f"{summed_up(group, figure).median:.1%}" for figure in FIGURES)
        ratio = median(one.predicted[TOKEN_TIME].mid / one.measured[TOKEN_TIME] for one in group)
        lines.append(f"| {value} | {len(group)} | {medians} | {ratio:.2f} |")
    return "\n".join(lines)


def largest_term(one: Judged) -> str:
    shares = {
        name: sum(getattr(one.terms, part) for part in parts) for name, parts in _TERMS.items()
    }
    return max(shares, key=lambda name: shares[name])


def cells(judged: Iterable[Judged]) -> str:
    lines = [
        "| start | link | in flight x prompt | tokens/s | ms per output token | first token, ms | bytes a token |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in judged:
        seen, said = one.measured, {name: told.mid for name, told in one.predicted.items()}
        rate, interval, first = FIGURES
        tokens = one.row["requests"] * one.row["output_tokens"]
        carried, planned = one.link_bytes
        lines.append(
            f"| {one.row['start']} | {one.row['link']} | {_load(one)} "
            f"| {seen[rate]:.1f} / {said[rate]:.1f} "
            f"| {seen[interval] * 1e3:.1f} / {said[interval] * 1e3:.1f} "
            f"| {seen[first] * 1e3:.0f} / {said[first] * 1e3:.0f} "
            f"| {carried / tokens:.0f} / {planned / tokens:.0f} |"
        )
    return "\n".join(lines)


def _layout(one: Judged) -> str:
    start = forecast.start_of(one.row)
    return start.name.removeprefix(f"{start.model} ")


def _load(one: Judged) -> str:
    return f"{one.row['requests']} x {one.row['prompt_tokens']}"
