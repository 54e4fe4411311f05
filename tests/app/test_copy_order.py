"""What another PC may tell this one to run: typed, bounded, and nothing beyond."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.app.copy_order import CopyOrder, order_table, read_order
from homecluster.errors import InputError

ORDER = CopyOrder(
    job="toy-8000-abcd", number=1, model="toy", shape="0" * 32, random_weights=False,
    served_model="toy", devices=("cuda:0", "cuda:1"), tensor_parallel=2, partition=(4,),
    prompt_tokens=96, output_tokens=32, concurrent_requests=2, dtype="fp16", max_model_len=None,
    memory_permille=900, start_limit_s=600,
)  # fmt: skip


def test_an_order_comes_back_from_its_table() -> None:
    assert read_order(json.loads(json.dumps(order_table(ORDER)))) == ORDER
    assert ORDER.share_id == "toy-8000-abcd.1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "/etc"), ("model", "../up"), ("job", "../x"), ("number", 100), ("number", True),
        ("devices", ["cuda:0"]), ("devices", ["cuda:0", "cpu:0"]), ("devices", ["cuda:0; rm"]),
        ("devices", []), ("tensor_parallel", 0), ("partition", [0]), ("partition", "4"),
        ("dtype", "complex"), ("memory_permille", 2000), ("random_weights", "yes"),
        ("shape", "x"), ("start_limit_s", 10**9), ("prompt_tokens", 1.5), ("argv", ["sh"]),
    ],
)  # fmt: skip
def test_what_no_pc_may_be_told_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InputError):
        read_order(order_table(ORDER) | {field: value})


@pytest.mark.parametrize(
    "field", [name for name in order_table(ORDER) if name not in {"dtype", "max_model_len"}]
)
def test_nothing_may_be_missing(field: str) -> None:
    table = order_table(ORDER)
    del table[field]
    with pytest.raises(InputError):
        read_order(table)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60)
@given(st.sampled_from(sorted(order_table(ORDER))), JSON)
def test_fuzz_any_value_is_taken_or_refused_in_words(field: str, value: Any) -> None:
    try:
        order = read_order(order_table(ORDER) | {field: value})
    except InputError:
        return
    assert order_table(order)[field] == value


@settings(max_examples=40)
@given(JSON)
def test_fuzz_anything_else_is_no_order(value: Any) -> None:
    with pytest.raises(InputError):
        read_order(value)
