"""Predicted against measured, one point for each cell: the same bytes from the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.grid.judge import FIRST_TOKEN, TOKEN_TIME, Judged, by
from benchmarks.grid.report import largest_term
from benchmarks.network_drawing import STYLE

_LOOKS: Final = {
    "computing": ("#0072b2", "o"),
    "links": ("#d55e00", "^"),
    "the host": ("#00875f", "s"),
    "waiting for a busy stage": ("#7b3f98", "D"),
}
"""Largest term of the prediction -> colour and mark; colour alone would leave out the colour-blind."""
_OFF: Final = 1.2
"""The grey lines: off by this factor."""


def draw(judged: Sequence[Judged], file: Path) -> None:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _points(left, judged, TOKEN_TIME)
        _points(right, judged, FIRST_TOKEN)
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=4)
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, metadata={"Date": None, "Creator": None})


def _points(axes: Axes, judged: Sequence[Judged], name: str) -> None:
    for term, group in sorted(by(judged, largest_term).items()):
        colour, mark = _LOOKS[term]
        seen = [one.measured[name] for one in group]
        said = [one.predicted[name].mid for one in group]
        axes.plot(
            seen, said, mark, color=colour, alpha=0.7, markersize=4, linestyle="none", label=term
        )
    ends = [min(one.measured[name] for one in judged), max(one.measured[name] for one in judged)]
    axes.plot(ends, ends, color="#555555", linewidth=1)
    for factor in (_OFF, 1 / _OFF):
        axes.plot(ends, [end * factor for end in ends], color="#bbbbbb", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds * 1e3:g}"))
    axes.set_xlabel(f"{name}, measured, ms")
    axes.set_ylabel("predicted, ms")
