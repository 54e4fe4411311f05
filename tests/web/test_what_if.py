from __future__ import annotations

import math
import re
from typing import Any

import pytest

from homecluster.errors import InputError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.planner.what_if import LINK_PRESETS, with_links
from homecluster.store.cluster_document import load_cluster
from homecluster.store.plan_document import plan_table
from homecluster.web.assets import asset
from homecluster.web.what_if import WhatIf
from tests.web.homes import GPT2, HOTSPOT, ONE_REQUEST

HOME = load_cluster(HOTSPOT)
TEAM = load_cluster(HOTSPOT.with_name("team.toml"))


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    return WhatIf(HOME, ONE_REQUEST).answer(GPT2, asked)


def test_a_better_link_is_answered_by_the_planner() -> None:
    asked = {"rtt_s": 0.0003, "bandwidth_bytes_per_s": 117.5e6, "concurrency": 8}
    found = answer(asked)
    assert found["best_plan"]["estimate"]["output_tokens_per_s"]["mid"] > 0
    assert found["took_s"] > 0


def test_nothing_asked_is_the_home_as_it_is() -> None:
    assert answer({})["verdict"]["kind"] == "single-node"


def test_every_cable_of_the_page_is_answered_as_by_plan_what_if() -> None:
    offered = re.findall(r'name="link" value="([^"]+)"', asset("index.html") or "")
    assert set(offered) == set(LINK_PRESETS)
    home = TEAM
    with_cables = {name: WhatIf(home, ONE_REQUEST).answer(GPT2, {"link": name}) for name in offered}
    cable = with_links(home, rtt_s=None, bandwidth=None, preset=LINK_PRESETS["10gbe"])
    best = plan(cable, GPT2, ONE_REQUEST, Pins()).plans[0]
    assert with_cables["10gbe"]["best_plan"] == plan_table(best)
    joined = {name: told["joined_plan"] for name, told in with_cables.items()}
    assert {(len(one["nodes"]) > 1, one["replicas"]) for one in joined.values()} == {(True, 1)}
    rates = {name: one["estimate"]["output_tokens_per_s"]["mid"] for name, one in joined.items()}
    assert rates["10gbe"] > rates["1gbe"] > rates["hotspot"]
    assert with_cables["10gbe"]["link"] == {"rtt_s": 1e-4, "bandwidth_bytes_per_s": 9.4e9 / 8}


@pytest.mark.parametrize(
    "asked",
    [
        {"rtt_s": 0},
        {"rtt_s": -1.0},
        {"rtt_s": math.nan},
        {"rtt_s": math.inf},
        {"rtt_s": 10**400},
        {"rtt_s": "1"},
        {"rtt_s": True},
        {"bandwidth_bytes_per_s": 1e300},
        {"concurrency": 0},
        {"concurrency": 1.5},
        {"concurrency": 10**9},
        {"link": "a wire"},
        {"link": ["1gbe"]},
    ],
)
def test_values_that_lie_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        answer(asked)


def test_a_quick_answer_is_nearly_the_searched_one() -> None:
    questions = WhatIf(TEAM, ONE_REQUEST)
    questions.learn(GPT2)
    for rtt_s, rate, requests in ((50e-6, 2e9, 1), (2e-3, 50e6, 8), (0.1, 1e6, 64)):
        asked = {"rtt_s": rtt_s, "bandwidth_bytes_per_s": rate, "concurrency": requests}
        quick = questions.answer(GPT2, asked | {"quick": True})
        full = questions.answer(GPT2, asked)
        assert (quick["is_searched"], full["is_searched"]) == (False, True)
        assert quick["verdict"]["kind"] == full["verdict"]["kind"]
        best = full["best_plan"]["estimate"]["output_tokens_per_s"]["mid"]
        assert quick["best_plan"]["estimate"]["output_tokens_per_s"]["mid"] >= 0.95 * best


def test_a_model_that_was_never_asked_about_is_searched() -> None:
    assert WhatIf(HOME, ONE_REQUEST).answer(GPT2, {"quick": True})["is_searched"]
