"""How long starts took, beside what the planner says of them."""

from __future__ import annotations

from functools import cache
from statistics import median

from benchmarks.grid import facts, forecast
from benchmarks.grid.facts import Row
from benchmarks.grid.forecast import Forecaster, Learned
from homecluster.domain.estimate import Estimate
from homecluster.domain.plan import Backend
from homecluster.planner.start_up import with_ray


def newest() -> dict[tuple[str, str], Row]:
    """(start, link) -> how it went last; failed ones are passed over."""
    rows = facts.rows(facts.STARTS)
    return {(row["start"], row["link"]): row for row in rows if "failed" not in row}


def predicted_s(row: Row) -> float:
    """Until the first token; Ray, where it was asked for, comes up before."""
    start = forecast.start_of(row)
    link = "none" if start.layout == "single" else row["link"]
    load = {"requests": 1, "prompt_tokens": 5, "output_tokens": 24}
    asked = {"start": start.name, "link": link, "measured_at": row["measured_at"]}
    told = _forecaster().forecast(asked | load)
    assert isinstance(told, Estimate)
    return (with_ray(told) if start.backend is Backend.RAY else told).start_up_s.mid


@cache
def _forecaster() -> Forecaster:
    return Forecaster(forecast.known(), Learned.NOTHING)


def summary() -> str:
    """A line for each start, and how far the predictions are off."""
    rows = list(newest().values())
    lines = ["| start | over | measured, s | predicted, s |", "|---|---|---|---|"]
    errors = []
    for row in rows:
        said_s = predicted_s(row)
        errors.append(abs(said_s / row["start_up_s"] - 1))
        lines.append(f"| {row['start']} | {row['link']} | {row['start_up_s']:.0f} | {said_s:.0f} |")
    failed = sum("failed" in row for row in facts.rows(facts.STARTS))
    told = (
        f"Starts: {len(rows)}, median error {median(errors):.0%}, at most {max(errors):.0%}. "
        f"The planner said of all of them that they fit; {failed} did not come up."
    )
    return "\n".join([told, "", *lines])
