"""Pictures of one line."""

from __future__ import annotations

from homecluster.cli.blocks import band, bar, sparkline


def test_a_bar_is_as_long_as_its_share() -> None:
    assert [bar(value, 8.0, 4) for value in (8.0, 4.0, 3.0, 0.0)] == ["████", "██", "█▌", ""]


def test_what_is_not_nothing_is_seen() -> None:
    assert bar(1.0, 1e6, 10) == "▏"
    assert bar(0.0, 0.0, 10) == ""


def test_a_line_rises_where_its_values_rise() -> None:
    line = sparkline([1.0] * 50 + [3.0] * 50, 10)
    assert len(line) == 10
    assert line == line[0] * 5 + "█" * 5
    assert sparkline([], 10) == ""


def test_a_measurement_lies_on_its_interval_by_ratio() -> None:
    assert band(50.0, 100.0, 200.0, 100.0, 9) == "├───●───┤"
    assert band(50.0, 100.0, 200.0, 25.0, 10).startswith("●  ├──┼")
    assert band(50.0, 100.0, 200.0, 0.0, 9) == ""
