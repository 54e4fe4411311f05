"""Figures that the docs give in words are those that the benchmarks kept."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from tests.docs.commands import ROOT


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def kept(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text())


def test_the_table_of_a_second_copy() -> None:
    told = [
        tuple(cell.strip() for cell in line.split("|")[3:7])
        for line in page("serving.md").splitlines()
        if line.startswith(("| 32 in", "| 512 in"))
    ]
    measured = [
        (
            f"{row['one']['output_tokens_per_s']:.1f}",
            f"{row['two']['output_tokens_per_s']:.1f}",
            f"{row['ratio']:.2f}",
            f"{row['predicted_ratio']:.2f}",
        )
        for row in kept("copies.json")["rows"]
    ]
    assert told == measured


def test_what_a_diagnosis_costs_the_job_that_it_watches() -> None:
    pairs = kept("diagnosis-cost.json")["pairs"]
    shares = [one["diagnosed_tokens_per_s"] / one["alone_tokens_per_s"] for one in pairs]
    told = page("diagnose.md")
    assert [share for share in shares if f"{share:.2f}" not in told] == []


def test_how_fast_the_page_of_a_large_home_is() -> None:
    found = kept("dashboard.json")
    told = (
        f"with {found['pcs']} PCs, {found['directed_links']} links and an hour of history",
        f"the first paint after {median(found['first_paint_s'])} s",
        f"everything drawn after {median(found['drawn_s'])} s",
        f"{found['server_memory_mib']} MiB in the server",
        f"answered within {found['what_if_at_most_s']} s",
    )
    assert [words for words in told if words not in page("page.md")] == []
