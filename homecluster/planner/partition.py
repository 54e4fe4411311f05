"""How many layers each pipeline stage gets."""

from __future__ import annotations

from collections.abc import Sequence


def even(layers: int, stages: int) -> tuple[int, ...]:
    """As vLLM splits by itself: the remainder goes to the stages before the last (`get_pp_indices`)."""
    counts = [layers // stages] * stages
    for extra in range(layers % stages):
        counts[-(extra + 2)] += 1
    return tuple(counts)


def balanced(layers: int, speeds: Sequence[float], most: Sequence[int]) -> tuple[int, ...] | None:
    """Layers per stage so that the slowest stage is as fast as can be, or None if they do not fit.

    Args:
        layers: to share out; every stage gets at least one.
        speeds: layers per second of each stage.
        most: layers that each stage's memory holds.

    Giving each next layer to the stage that then takes the least time is exact for stage times that
    grow linearly with their layers.
    """
    if layers < len(speeds) or sum(most) < layers or min(most) < 1:
        return None
    counts = [1] * len(speeds)
    for _ in range(layers - len(speeds)):
        open_stages = [i for i in range(len(speeds)) if counts[i] < most[i]]
        chosen = min(open_stages, key=lambda i: ((counts[i] + 1) / speeds[i], i))
        counts[chosen] += 1
    return tuple(counts)
