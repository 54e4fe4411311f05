"""How far predictions lie from rows, cell by cell and summed up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, pstdev
from typing import Final

from benchmarks.grid import forecast
from benchmarks.grid.facts import Row
from benchmarks.grid.forecast import Forecaster
from homecluster.domain.estimate import Estimate, Interval, Terms

TOKEN_TIME, FIRST_TOKEN, RATE = "time per output token", "time to first token", "tokens/s"
FIGURES: Final = (RATE, TOKEN_TIME, FIRST_TOKEN)
_ANSWER_TOKENS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One cell: what was measured and what was said."""

    row: Row
    measured: dict[str, float]
    predicted: dict[str, Interval]
    terms: Terms
    link_bytes: tuple[float, int]
    """Measured and planned, of one round."""

    def error(self, figure: str) -> float:
        """Relative, by the measured."""
        return float(abs(self.predicted[figure].mid / self.measured[figure] - 1))

    def is_inside(self, figure: str) -> bool:
        return self.predicted[figure].low <= self.measured[figure] <= self.predicted[figure].high

    @property
    def spread(self) -> float:
        """Of the repeated rounds' token interval, relative: one deviation."""
        seen = [one["token_interval_s"] for one in self.row["rounds"]]
        return float(pstdev(seen) / fmean(seen))

    @property
    def layout(self) -> str:
        return forecast.start_of(self.row).layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Errors of one figure over some cells."""

    cells: int
    median: float
    nine_tenths: float
    inside: float
    """Share of the cells inside the stated interval."""


def judge(rows: Iterable[Row], forecaster: Forecaster) -> list[Judged]:
    """Every row that the planner would let run."""
    found = []
    for row in rows:
        told = forecaster.forecast(row)
        if isinstance(told, Estimate):
            found.append(_judged(row, told))
    return found


def _judged(row: Row, told: Estimate) -> Judged:
    measured = {
        RATE: forecast.tokens_per_s(row),
        TOKEN_TIME: forecast.mean(row, "token_interval_s"),
        FIRST_TOKEN: forecast.mean(row, "first_token_s"),
    }
    predicted = {
        RATE: told.output_tokens_per_s,
        TOKEN_TIME: told.token_interval_s,
        FIRST_TOKEN: told.first_token_s,
    }
    planned = forecast.forecast_bytes(row) if row["link"] != "none" else 0
    return Judged(
        row=row,
        measured=measured,
        predicted=predicted,
        terms=told.terms,
        link_bytes=(forecast.mean(row, "link_bytes"), planned),
    )


def summed_up(judged: Sequence[Judged], figure: str) -> Summary:
    errors = sorted(one.error(figure) for one in judged)
    return Summary(
        cells=len(errors),
        median=median(errors),
        nine_tenths=errors[min(len(errors) - 1, len(errors) * 9 // 10)],
        inside=fmean(one.is_inside(figure) for one in judged),
    )


def by(judged: Iterable[Judged], key: Callable[[Judged], str]) -> dict[str, list[Judged]]:
    groups: defaultdict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        groups[key(one)].append(one)
    return dict(groups)


def regrets(judged: Iterable[Judged]) -> list[float]:
    """Of each model, link and load with several layouts: what the planner's choice gives away of the best's rate.

    One PC is a choice under every link. Rates are those of answers of equal length: slow links were given fewer
    tokens. Runs of the same cell, made at different hours, count by their mean.
    """
    cells = [one for one in judged if one.layout != "three"]
    alone = by((one for one in cells if one.layout == "single"), lambda one: _question(one, ""))
    found = []
    for group in by(
        (one for one in cells if one.layout != "single"),
        lambda one: _question(one, one.row["link"]),
    ).values():
        choices = by(
            [*group, *alone.get(_question(group[0], ""), [])], lambda one: one.row["start"]
        )
        if len(choices) > 1:
            seen = {
                name: fmean(_pace(one.measured) for one in runs) for name, runs in choices.items()
            }
            said = {
                name: fmean(_pace(_mids(one)) for one in runs) for name, runs in choices.items()
            }
            chosen = max(said, key=lambda name: said[name])
            found.append(1 - seen[chosen] / max(seen.values()))
    return found


def _mids(one: Judged) -> dict[str, float]:
    return {figure: told.mid for figure, told in one.predicted.items()}


def _pace(figures: dict[str, float]) -> float:
    """Answers of `_ANSWER_TOKENS` in a second, of one client."""
    return 1 / (figures[FIRST_TOKEN] + (_ANSWER_TOKENS - 1) * figures[TOKEN_TIME])


def _question(one: Judged, link: str) -> str:
    row = one.row
    return f"{forecast.start_of(row).model} {link} {row['requests']} x {row['prompt_tokens']}"
