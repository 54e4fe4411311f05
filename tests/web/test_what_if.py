from __future__ import annotations

import math
from typing import Any

import pytest

from homecluster.errors import InputError
from homecluster.store.cluster_document import load_cluster
from homecluster.web.what_if import answer
from tests.web.homes import GPT2, HOTSPOT, ONE_REQUEST

HOME = load_cluster(HOTSPOT)


def test_a_better_link_is_answered_by_the_planner() -> None:
    asked = {"rtt_s": 0.0003, "bandwidth_bytes_per_s": 117.5e6, "concurrency": 8}
    found = answer(HOME, GPT2, ONE_REQUEST, asked)
    assert found["best_plan"]["estimate"]["output_tokens_per_s"]["mid"] > 0
    assert found["took_s"] > 0


def test_nothing_asked_is_the_home_as_it_is() -> None:
    assert answer(HOME, GPT2, ONE_REQUEST, {})["verdict"]["kind"] == "single-node"


@pytest.mark.parametrize(
    "asked",
    [
        {"rtt_s": 0},
        {"rtt_s": -1.0},
        {"rtt_s": math.nan},
        {"rtt_s": math.inf},
        {"rtt_s": "1"},
        {"rtt_s": True},
        {"bandwidth_bytes_per_s": 1e300},
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"concurrency": 10**9},
    ],
)
def test_values_that_lie_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        answer(HOME, GPT2, ONE_REQUEST, asked)
