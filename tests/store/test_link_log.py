"""The record of links survives crashes, spoilt disks and time."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.errors import MissingError
from homecluster.store import link_log
from homecluster.store.link_log import LinkPoint, add_point, read_points

POINT = LinkPoint(
    at="2026-11-20T10:00:00+00:00", src=NodeId("a"), dst=NodeId("b"), method="agent", rtt_s=0.003
)


def points(path: Path, count: int) -> list[LinkPoint]:
    made = [replace(POINT, rtt_s=i / 1000) for i in range(count)]
    for point in made:
        add_point(path, point)
    return made


def test_points_come_back_in_their_order(tmp_path: Path) -> None:
    assert read_points(tmp_path / "log") == ()
    made = points(tmp_path / "links" / "log", 5)

    assert list(read_points(tmp_path / "links" / "log")) == made


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    points(tmp_path / "log", 1)

    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_line_that_a_crash_cut_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    made = points(path, 3)
    path.write_bytes(path.read_bytes()[:-20])
    add_point(path, POINT)

    assert list(read_points(path)) == [*made[:2], POINT]


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_spoilt_byte_costs_at_most_its_own_points(
    tmp_path_factory: pytest.TempPathFactory, position: int, byte: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    made = points(path, 4)
    content = bytearray(path.read_bytes())
    content[position % len(content)] = byte
    path.write_bytes(content)

    kept = read_points(path)

    assert set(kept) <= set(made)
    assert len(kept) >= 2


def test_the_file_stays_bounded_and_keeps_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_log, "MOST_BYTES", 4096)
    path = tmp_path / "log"
    made = points(path, 100)

    kept = read_points(path)

    assert path.stat().st_size <= 4096
    assert list(kept) == made[-len(kept) :]
    assert len(kept) > 5


def test_a_directory_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()

    with pytest.raises(MissingError):
        add_point(tmp_path / "log", POINT)
    assert read_points(tmp_path / "log") == ()
