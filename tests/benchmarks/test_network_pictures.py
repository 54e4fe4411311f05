"""The pictures and the table of docs/network.md come from the kept reports."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.network_table import MODELS, seconds_at, table
from netprobe.types import CurvePoint

SIZES = (64, 256, 1024, 4096, 16384)


@pytest.fixture
def pictures():
    pytest.importorskip("matplotlib", reason="the extra `pictures` is not installed")
    from benchmarks import network_pictures  # noqa: PLC0415 - needs matplotlib

    return network_pictures


def test_the_page_shows_the_table_of_the_kept_reports(pictures):
    page = pictures.PAGE.read_text()
    assert pictures.with_table(page, table(pictures.kept())) == page


def test_the_same_reports_give_the_same_small_pictures(pictures, tmp_path):
    for folder in ("one", "two"):
        pictures.draw_all(pictures.kept(), tmp_path / folder)
    drawn = sorted((tmp_path / "one").iterdir())
    page = pictures.PAGE.read_text()
    assert len(drawn) == 3
    for one in drawn:
        assert f"(pictures/{one.name})" in page
        assert one.read_bytes() == (tmp_path / "two" / one.name).read_bytes()
        assert len(one.read_bytes()) < 60_000
        assert ET.parse(one).getroot().tag.endswith("svg")


def test_the_token_scale_stands_where_the_time_of_its_messages_is(pictures):
    from benchmarks.network_drawing import draw_exchange  # noqa: PLC0415 - needs matplotlib

    times, *scales = draw_exchange(pictures.kept()).axes
    middle = (0.5, 0.5)
    to_data = [axes.transAxes + axes.transData.inverted() for axes in (times, *scales)]
    seconds, *tokens_per_s = (change.transform(middle)[1] for change in to_data)
    assert tokens_per_s == pytest.approx([1 / (one.messages * seconds) for one in MODELS])


@given(st.lists(st.floats(1e-5, 10), min_size=len(SIZES), max_size=len(SIZES)), st.data())
def test_a_time_between_two_sizes_lies_between_their_times(times, data):
    curve = [CurvePoint(size_bytes=s, p50_s=t) for s, t in zip(SIZES, times, strict=True)]
    place = data.draw(st.integers(0, len(SIZES) - 2))
    size = data.draw(st.integers(SIZES[place], SIZES[place + 1]))
    low, high = sorted(times[place : place + 2])
    assert low * (1 - 1e-9) <= seconds_at(curve, size) <= high * (1 + 1e-9)


def test_a_size_beyond_the_curve_is_refused_rather_than_guessed():
    curve = [CurvePoint(size_bytes=64, p50_s=0.1), CurvePoint(size_bytes=256, p50_s=0.2)]
    with pytest.raises(ValueError, match="8192"):
        seconds_at(curve, 8192)
