"""The data feed on real Ray, with workers that are really killed."""

from __future__ import annotations

import json
import os

import pytest

from homecluster.launch.engine_tool import run_tool
from homecluster.store.engine_store import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_killed_workers_cost_no_sample_and_repeat_none(engine: Engine) -> None:
    ended = run_tool(
        (str(engine.python), "-m", "homecluster.jobs.feed_unequal", "--only", "killed",
         "--samples", "1200", "--milliseconds", "4,8,16", "--kills", "3"),
        os.environ, variables=(), limit_s=400, tell=lambda _: None,
    )  # fmt: skip
    assert ended.code == 0, ended.said
    (row,) = json.loads(ended.output.splitlines()[-1])["modes"]
    assert (row["died"], row["missing"], row["repeated"]) == (3, 0, 0)
    assert len(row["samples_of"]) == 3
