"""No rule falls over what is not known, or over figures that no PC should show."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.ids import NodeId
from homecluster.domain.signs import Signs
from homecluster.planner.diagnosis import diagnose_signs
from tests.planner.causes.homes import HOMES, PIPELINE, TENSOR, Home, asked

NAMES = st.sampled_from(("a", "b", "z")).map(NodeId)
WORDS = st.sampled_from(("", "wifi", "vpn", "wired", "timed_out", "127.0.1.1", "starting", "x"))
FIGURES = st.sampled_from((0.0, 1e-9, 0.003, 0.5, 1.0, 40.0, 1e12))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Anything that the type allows; PCs are those of the home, and one that it does not know."""
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of(*(values(part) for part in get_args(hint)))
    if get_origin(hint) is tuple:
        parts = get_args(hint)
        if parts[-1] is Ellipsis:
            return st.lists(values(parts[0]), max_size=2).map(tuple)
        return st.tuples(*map(values, parts))
    if isinstance(hint, type) and is_dataclass(hint):
        hints = get_type_hints(hint)
        return st.fixed_dictionaries(
            {field.name: values(hints[field.name]) for field in fields(hint)}
        ).map(lambda chosen: hint(**chosen))
    if hint is NodeId:
        return NAMES
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return st.sampled_from(hint)
    plain = {type(None): st.none(), bool: st.booleans(), float: FIGURES, str: WORDS}
    return plain.get(hint, st.sampled_from((0, 1, 1500, 10**12)))


@settings(max_examples=25, deadline=None)
@given(
    signs=values(Signs),
    home=st.sampled_from(sorted(HOMES)),
    pins=st.sampled_from((PIPELINE, TENSOR)),
)
def test_any_partial_signs_are_judged_beside_a_plan(signs: Signs, home: str, pins: Any) -> None:
    judged: Home = asked(signs=signs, pins=pins, model="gpt2")(HOMES[home]())

    check(judged.diagnose())


@settings(max_examples=40, deadline=None)
@given(signs=values(Signs))
def test_any_partial_signs_are_judged_without_a_model(signs: Signs) -> None:
    check(diagnose_signs(HOMES["wifi"]().cluster, signs))


def check(diagnosis: Diagnosis) -> None:
    ids = [cause.id for cause in diagnosis.causes]
    assert len(ids) == len(set(ids))
    for cause in diagnosis.causes:
        assert cause.summary
        assert cause.remedy.text
        assert 0 <= cause.effect_tokens_per_s < float("inf")
