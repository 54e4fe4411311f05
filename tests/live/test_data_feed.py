"""The data feed on real Ray, with a worker that is really killed."""

from __future__ import annotations

import json
import os

import pytest

from homecluster.launch.engine_tool import run_tool
from homecluster.store.engine_store import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_a_killed_worker_costs_no_sample_and_repeats_none(engine: Engine) -> None:
    ended = run_tool(
        (str(engine.python), "-m", "homecluster.jobs.feed_unequal", "--only", "automatic",
         "--samples", "1200", "--milliseconds", "4,8,16", "--lose", "0"),
        os.environ, variables=(), limit_s=400, tell=lambda _: None,
    )  # fmt: skip
    assert ended.code == 0, ended.said
    (row,) = json.loads(ended.output.splitlines()[-1])["modes"]
    assert row["died"] == ["worker-0"]
    assert (row["missing"], row["repeated"]) == (0, 0)
    assert set(row["samples_of"]) == {"worker-1", "worker-2"}
