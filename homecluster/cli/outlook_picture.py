"""Tokens/s over round trip and bandwidth, drawn."""

from __future__ import annotations

from pathlib import Path

from homecluster.domain.units import format_link_rate, format_rate, format_seconds
from homecluster.errors import InputError, MissingError
from homecluster.planner.sensitivity import Sensitivity

_KINDS = (".svg", ".png", ".pdf")


def draw(found: Sensitivity, file: Path) -> None:
    """A table of colours with its figures; the same bytes for the same table.

    Raises:
        MissingError: the drawing library is not installed, or the file cannot be written.
        InputError: a kind of picture that cannot be drawn.
    """
    if file.suffix.lower() not in _KINDS:
        raise InputError(f"--picture {file}: one of {', '.join(_KINDS)} is needed")
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and heavy
        from matplotlib.colors import LogNorm  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise MissingError(
            "drawing needs matplotlib", hint="pip install 'homecluster[pictures]'"
        ) from error
    rows = found.tokens_per_s
    with mpl.rc_context({"svg.hashsalt": "homecluster", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        least = min(min(row) for row in rows)
        most = max(max(row) for row in rows)
        axes.imshow(
            rows, norm=LogNorm(least, max(most, least * 1.01)), cmap="viridis", aspect="auto"
        )
        axes.set_xticks(
            range(len(found.bandwidths_bytes_per_s)),
            [format_link_rate(rate) for rate in found.bandwidths_bytes_per_s],
        )
        axes.set_yticks(
            range(len(found.round_trips_s)), [format_seconds(s) for s in found.round_trips_s]
        )
        for y, row in enumerate(rows):
            for x, rate in enumerate(row):
                label = axes.text(x, y, format_rate(rate), ha="center", va="center", color="white")
                label.set_bbox({"facecolor": "black", "alpha": 0.45, "edgecolor": "none"})
        axes.set_xlabel("bandwidth")
        axes.set_ylabel("round trip")
        axes.set_title("tokens/s of one copy over several PCs")
        try:
            figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
        except OSError as error:
            raise MissingError(f"cannot write {file}: {error.strerror}") from error
