from __future__ import annotations

import pytest

from homecluster.planner.link_price import Worth, token_price_s, worth
from homecluster.planner.network import Fabric
from homecluster.store.cluster_document import load_cluster
from homecluster.store.models import find_model
from tests.web.homes import HOTSPOT

GPT2 = find_model("gpt2").spec


def test_a_hotspot_costs_gpt2_more_than_a_second_a_token() -> None:
    home = load_cluster(HOTSPOT)
    price_s = token_price_s(home, Fabric(home), GPT2, home.links[0])
    assert price_s is not None
    # 2 * 12 + 1 all-reduces, each at least one round trip of 40 ms
    assert price_s >= 25 * 0.040


def test_a_link_known_in_one_direction_has_no_price() -> None:
    home = load_cluster(HOTSPOT)
    half = type(home)(nodes=home.nodes, links=home.links[:1])
    assert token_price_s(half, Fabric(half), GPT2, half.links[0]) is None


@pytest.mark.parametrize(
    ("price_s", "token_s", "expected"),
    [
        (0.001, 0.010, Worth.GOOD),
        (0.008, 0.010, Worth.FAIR),
        (0.011, 0.010, Worth.COSTLY),
        (None, 0.010, Worth.UNKNOWN),
        (0.001, None, Worth.UNKNOWN),
    ],
)
def test_a_price_is_judged_against_one_pcs_token(
    price_s: float | None, token_s: float | None, expected: Worth
) -> None:
    assert worth(price_s, token_s) is expected
