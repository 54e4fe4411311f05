"""Signs survive being written and read; anything else is refused with the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.domain.signs import Signs
from homecluster.errors import InputError
from homecluster.store.signs_document import read_signs, signs_document
from tests.planner.causes.homes import cable
from tests.planner.causes.test_partial_signs import values


@settings(max_examples=20, deadline=None)
@given(signs=values(Signs))
def test_any_signs_come_back_as_they_were(signs: Signs) -> None:
    assert read_signs(json.loads(json.dumps(signs_document(signs))), "it") == signs


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"schema": "homecluster.plan/1"},
        {"schema": "homecluster.signs/1", "nodes": 5},
        {"schema": "homecluster.signs/1", "nodes": [{}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a", "cores": "eight"}]},
        {"schema": "homecluster.signs/1", "links": [{"src": "a", "dst": "b", "rtt_s": True}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a", "wsl_mode": "bridge"}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a" * 3000}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a", "cores": 10**400}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a", "clock_hz": 10**400}]},
        {"schema": "homecluster.signs/1", "nodes": [{"node": "a", "clock_hz": float("nan")}]},
    ],
)
def test_foreign_documents_are_refused(document: Any) -> None:
    with pytest.raises(InputError):
        read_signs(document, "it")


def test_the_refusal_names_the_field() -> None:
    document = signs_document(cable().signs)
    document["nodes"][1]["cores"] = "eight"

    with pytest.raises(InputError, match=r"signs.nodes\[1\].cores is not a int"):
        read_signs(document, "it")


def test_fields_of_a_newer_version_are_passed_over() -> None:
    document = signs_document(cable().signs) | {"aura": "green"}

    assert read_signs(document, "it") == cable().signs


@settings(max_examples=60, deadline=None)
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(("nodes", "links", "job", "node", "src")), inner, max_size=3
            )
        ),
        max_leaves=8,
    )
)
def test_garbage_is_refused_or_read_but_never_crashes(document: Any) -> None:
    if isinstance(document, dict):
        document = document | {"schema": "homecluster.signs/1"}
    try:
        read_signs(document, "it")
    except InputError:
        return
