from __future__ import annotations

from homecluster.domain.ids import NodeId
from homecluster.store.link_log import LinkPoint
from homecluster.web.link_history import MOST_POINTS, link_histories

DESK, LAPTOP = NodeId("desk"), NodeId("laptop")


def point(at: str, method: str = "agent", rtt_s: float | None = 0.001) -> LinkPoint:
    return LinkPoint(at=at, src=DESK, dst=LAPTOP, method=method, rtt_s=rtt_s)


def test_each_link_and_method_is_a_series_of_its_own() -> None:
    found = link_histories((point("2026-11-21T10:00:00+00:00"), point("2026-11-21T10:05:00+00:00"), point("2026-11-21T10:06:00+00:00", "probe")))  # fmt: skip
    assert [(one["method"], len(one["points"])) for one in found] == [("agent", 2), ("probe", 1)]
    first, second = found[0]["points"]
    assert (second[0] - first[0], first[1], first[2]) == (300, 0.001, None)


def test_a_point_without_time_or_figure_is_passed_over() -> None:
    assert (
        link_histories((point("yesterday"), point("2026-11-21T10:00:00+00:00", rtt_s=None))) == []
    )


def test_the_newest_points_are_kept() -> None:
    many = [point(f"2026-11-21T{hour:02}:{minute:02}:00+00:00") for hour in range(4) for minute in range(60)]  # fmt: skip
    (found,) = link_histories(many)
    assert len(found["points"]) == MOST_POINTS
    assert found["points"] == sorted(found["points"])
