"""`plan --advice --sensitivity --picture` through the real command line."""

import json
from pathlib import Path

from tests.cli.shell import EXAMPLES, run

HOTSPOT = ("plan", "--model", "gpt2", "--cluster", EXAMPLES / "hotspot.toml")


def test_the_plan_document_carries_what_was_asked_for_and_no_more() -> None:
    bare = json.loads(run(*HOTSPOT, "--json").out)
    full = json.loads(run(*HOTSPOT, "--advice", "--sensitivity", "--json").out)
    assert "advice" not in bare
    assert "sensitivity" not in bare
    table = full["sensitivity"]
    assert len(table["tokens_per_s"]) == len(table["round_trips_s"])
    assert all(len(row) == len(table["bandwidths_bytes_per_s"]) for row in table["tokens_per_s"])
    assert all(one["tokens_per_s"] > 0 for one in full["advice"])


def test_people_read_which_change_would_help_most() -> None:
    shown = run(*HOTSPOT, "--advice", "--sensitivity")
    assert "most would help" in shown.out
    assert "round trip" in shown.out


def test_a_picture_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    refused = run(*HOTSPOT, "--picture", tmp_path / "table.txt")
    assert refused.code == 2
    assert ".svg" in refused.err


def test_the_gap_to_the_best_layout_is_stated() -> None:
    assert 0 <= json.loads(run(*HOTSPOT, "--json").out)["gap"] < 0.01


def test_the_homes_own_link_is_framed_in_the_map() -> None:
    shown = run(*HOTSPOT, "--sensitivity")
    row = next(line for line in shown.out.splitlines() if line.strip().startswith("40 ms"))
    assert row.split()[2].startswith("[")
    assert "[ ] alice - bob" in shown.out
    assert "by the number of whole copies" in shown.out
