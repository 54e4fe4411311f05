"""The made-up logs and sentence pairs of recipes: what can be learned from them, and what cannot."""

from __future__ import annotations

from homecluster.jobs.bert_pairs import f1, made_up
from homecluster.jobs.inference_log import remarks_of
from homecluster.jobs.next_action import WHIM, log_rows


def test_pairs_that_say_the_same_have_the_same_words() -> None:
    pairs = made_up(200, seed=1)
    assert sum(pair.same for pair in pairs) == 100
    for pair in pairs:
        first, second = pair.tokens[1:5], pair.tokens[6:]
        assert (sorted(first) == sorted(second)) == pair.same


def test_f1_weighs_misses_and_false_alarms() -> None:
    assert f1([True, True, False, False], [True, False, True, False]) == 0.5
    assert f1([False, False], [False, False]) == 0.0


def test_a_log_repeats_itself_but_for_whims() -> None:
    rows = log_rows(2000, seed=1)
    habits: dict[str, list[str]] = {}
    for row in rows:
        habits.setdefault(row["prompt"], []).append(row["completion"])
    usual = sum(max(map(said.count, said)) for said in habits.values())
    assert 1 - 2 * WHIM < usual / len(rows) < 1


def test_a_switch_that_does_nothing_is_said() -> None:
    row = {"positions": "rope", "attention": "sdpa", "tokens_per_s": 10.0, "power_w": None}
    on, off = row | {"use_cache": True}, row | {"use_cache": False}
    said = remarks_of([on | {"tokens_computed": 48}, off | {"tokens_computed": 48}], 16)
    assert "did NOTHING" in said[0]
    said = remarks_of([on | {"tokens_computed": 48}, off | {"tokens_computed": 640}], 16)
    assert "had an effect" in said[0]
