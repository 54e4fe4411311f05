"""Where to cut the layers of a pipeline whose groups and order are given."""

from __future__ import annotations

import math
from collections.abc import Sequence

from homecluster.planner import partition
from homecluster.planner.exact import shapes
from homecluster.planner.exact.clock import Clock, Group
from homecluster.planner.exact.order import Order
from homecluster.planner.exact.pieces import Load
from homecluster.planner.exact.room import layers_beside


def good_cut(order: Order, requests: float) -> tuple[int, ...]:
    """From an even cut or one by speed, one layer moved at a time as long as so many requests are answered sooner.

    The best there is for one request, whose time is a sum of what each stage takes.
    """
    layers = order.clock.spec.layers
    asked = order.clock.workload
    held = requests * (asked.prompt_tokens + asked.output_tokens / 2)
    starts = [partition.even(layers, len(order.groups))]
    for tokens in (asked.context_tokens, held):
        by_speed = _by_speed(order.clock, order.groups, tokens)
        starts += [] if by_speed is None else [by_speed]
    best_s, best = min((order.time_s(counts, requests), counts) for counts in starts)
    while best_s < math.inf:
        next_s, next_one = min(
            (order.time_s(counts, requests), counts) for counts in shapes.neighbours(best)
        )
        if next_s >= best_s:
            break
        best_s, best = next_s, next_one
    return best


def _by_speed(clock: Clock, groups: Sequence[Group], tokens: float) -> tuple[int, ...] | None:
    """Layers by the speed of each stage's reading, as far as its memory and the ends' allow beside such caches."""
    ranks = sum(map(len, groups))
    rooms = [clock.room(group, ranks) for group in groups]
    most = [layers_beside(room, tokens) for room in rooms]
    if rooms[0].layer_bytes:
        first, last = rooms[0].ends_layers(tokens)
        most[0], most[-1] = most[0] - first, most[-1] - last
    one = Load(decode=True, sequences=1.0)
    speeds = [1 / clock.pace(group).at(one).layer_s for group in groups]
    return partition.balanced(clock.spec.layers, speeds, most)
