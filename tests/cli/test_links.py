"""Links over time as a line of text."""

from __future__ import annotations

import pytest

from homecluster.cli.render_links import show_links
from homecluster.domain.ids import NodeId
from homecluster.store.cluster_document import load_cluster
from homecluster.store.link_log import LinkPoint
from tests.cli.shell import EXAMPLES

LINKS = load_cluster(EXAMPLES / "hotspot.toml").links


def noted(minute: int, rtt_s: float) -> LinkPoint:
    at = f"2026-11-21T10:{minute:02}:00+00:00"
    return LinkPoint(at=at, src=NodeId("alice"), dst=NodeId("bob"), method="agent", rtt_s=rtt_s)


def test_a_link_that_got_slower_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    show_links(LINKS, [noted(5 * index, 0.04 if index < 6 else 0.12) for index in range(12)])
    there, back = (line for line in capsys.readouterr().out.splitlines() if "→" in line)
    assert "▃▃▃▃▃▃██████ 40 ms - 120 ms" in there
    assert back.rstrip().endswith("-")


def test_a_home_without_links_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    show_links((), ())
    assert "homecluster probe" in capsys.readouterr().out
