"""How the reports of the emulated homes look: three SVG pictures, the same bytes from the same reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from benchmarks.network_table import HOMES, MODELS, Waiting, three
from netprobe.types import CurvePoint, Report

KIB = 1024
MIB = 1024 * KIB

LOOKS = {
    "1gbe": ("#0072b2", "o"),
    "wifi5": ("#00875f", "s"),
    "hotspot": ("#d55e00", "^"),
    "bloated": ("#7b3f98", "D"),
}
"""Home -> colour and mark; colour alone would leave out the colour-blind."""

STYLE: Final[dict[Any, Any]] = {  # matplotlib's own type lists every key it has
    "svg.fonttype": "none",  # text stays text: small, searchable, in the reader's font
    "svg.hashsalt": "homecluster",  # element names depend on the content only
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "figure.facecolor": "white",  # readable on a dark page too
    "legend.frameon": False,
}


def draw_all(reports: Mapping[str, Report], folder: Path) -> None:
    """exchange.svg, loaded-round-trip.svg and throughput.svg in that folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (
        ("exchange", draw_exchange),
        ("loaded-round-trip", draw_loaded),
        ("throughput", draw_throughput),
    ):
        with mpl.rc_context(STYLE):
            figure = draw(reports)
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None, "Creator": None})


def draw_exchange(reports: Mapping[str, Report]) -> Figure:
    """Time by message size; right of it, the tokens/s that this leaves to each model."""
    figure = Figure(figsize=(9, 5.4), layout="constrained")
    axes = figure.subplots()
    for home, report in reports.items():
        _curve(axes, home, report.exchange, "-", HOMES[home])
        for curve in report.all_reduce.values():
            _curve(axes, home, curve, "--", None)
    for backend in sorted({name for one in reports.values() for name in one.all_reduce}):
        axes.plot([], [], "--", color="#555555", label=f"the engine's all-reduce ({backend})")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({point.size_bytes for one in reports.values() for point in one.exchange})
    axes.set_xticks(sizes, [_size(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("message size")
    axes.set_ylabel("time for one message each way at once, ms")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds * 1e3:g}"))
    for model, position in zip(MODELS, (1.0, 1.13), strict=True):
        _tokens_axis(axes, model, position)
        _message_line(axes, model)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _curve(
    axes: Axes, home: str, curve: tuple[CurvePoint, ...], line: str, label: str | None
) -> None:
    colour, mark = LOOKS[home]
    axes.plot(
        [point.size_bytes for point in curve],
        [point.p50_s for point in curve],
        line,
        color=colour,
        marker=mark,
        markersize=5,
        fillstyle="full" if label else "none",
        label=label,
    )


def _tokens_axis(axes: Axes, model: Waiting, position: float) -> None:
    """A second scale for the same heights: many tokens/s at the bottom, where little time is."""
    right = axes.twinx()
    right.set_yscale("log")
    least_s, most_s = axes.get_ylim()
    right.set_ylim(1 / (model.messages * least_s), 1 / (model.messages * most_s))
    right.grid(visible=False)
    right.spines["right"].set(visible=True, position=("axes", position))
    right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.yaxis.set_minor_locator(NullLocator())
    right.set_ylabel(f"tokens/s at most, {model.messages} messages each ({model.model})")


def _message_line(axes: Axes, model: Waiting) -> None:
    axes.axvline(model.message_bytes, color="#888888", linewidth=1, linestyle=":")
    axes.annotate(
        f"{model.model}:\n{_size(model.message_bytes)}",
        xy=(model.message_bytes, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        fontsize=9,
        color="#444444",
    )


def draw_loaded(reports: Mapping[str, Report]) -> Figure:
    """Where the round trip goes while one direction is full, with the grade."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for row, report in enumerate(reports.values()):
        idle, full = report.round_trip, report.loaded_round_trip
        if idle is None or full is None:
            continue
        marks = [("idle", idle.p50_s, "o", "#444444", "white")]
        ways = (("a to b full", full.forward, ">"), ("b to a full", full.back, "<"))
        marks += [(name, one.p50_s, mark, "#b3261e", "#b3261e") for name, one, mark in ways if one]
        times = [seconds for _, seconds, *_ in marks]
        axes.plot([min(times), max(times)], [row, row], color="#d9a5a1", linewidth=3, zorder=1)
        for name, seconds, mark, edge, face in marks:
            label = name if row == 0 else None
            axes.scatter(
                seconds, row, s=55, marker=mark, edgecolor=edge, facecolor=face, label=label
            )
        _beside(axes, max(times), row, f"{three(max(times) * 1e3)} ms, grade {full.grade}", 10)
        _beside(axes, min(times), row, f"{three(idle.p50_s * 1e3)} ms", -10)
    axes.set_xscale("log")
    axes.margins(x=0.28)
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds * 1e3:g}"))
    axes.set_xlabel("round trip of a small packet, median, ms")
    _home_rows(axes, reports)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def draw_throughput(reports: Mapping[str, Report]) -> Figure:
    """Payload each way, one bar a direction."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    for row, report in enumerate(reports.values()):
        one = report.throughput
        if one is None:
            continue
        ways = ((-0.2, one.forward_bytes_per_s, "#0072b2"), (0.2, one.back_bytes_per_s, "#8fc3e3"))
        for (offset, bytes_per_s, colour), name in zip(ways, ("a to b", "b to a"), strict=True):
            if bytes_per_s is None:
                continue
            mbit_per_s = bytes_per_s * 8 / 1e6
            label = name if row == 0 else None
            axes.barh(row + offset, mbit_per_s, height=0.36, color=colour, label=label)
            _beside(axes, mbit_per_s, row + offset, f"{mbit_per_s:.0f}", 4)
    axes.set_xlabel("TCP payload, Mbit/s (iperf3, one stream, one direction at a time)")
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.07)
    _home_rows(axes, reports)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


def _beside(axes: Axes, x: float, y: float, text: str, points: float) -> None:
    axes.annotate(
        text,
        xy=(x, y),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        ha="left" if points > 0 else "right",
        fontsize=9,
    )


def _home_rows(axes: Axes, reports: Mapping[str, Report]) -> None:
    axes.set_yticks(range(len(reports)), [HOMES[home] for home in reports])
    axes.set_ylim(len(reports) - 0.5, -0.5)


def _size(size_bytes: int) -> str:
    if size_bytes < KIB:
        return f"{size_bytes} B"
    if size_bytes < MIB:
        return f"{size_bytes / KIB:g} KiB"
    return f"{size_bytes / MIB:g} MiB"
