from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Starting
from homecluster.launch.copies_step import MOST_STARTS, CopyNow, later_word, word


def copy(name: str, **changes: Any) -> CopyNow:
    return replace(CopyNow(name=name, node=NodeId(name)), **changes)


READY = copy("a", serves=True, has_served=True)
LOADING = copy("b", phase="loading weights")
BROKEN = copy("b", failure="no disk space", log_tail=("x",))


def test_every_copys_phase_is_told_until_all_serve() -> None:
    assert word((READY, LOADING), fewer=False) == Starting(phase="a: ready; b: loading weights")
    assert word((READY, replace(LOADING, serves=True)), fewer=False) is None


def test_a_pc_that_does_not_answer_is_named() -> None:
    away = replace(LOADING, can_be_asked=False)
    assert word((READY, away), fewer=False) == Starting(phase="a: ready; b: does not answer")


def test_one_copy_that_fails_at_its_start_fails_the_job_unless_fewer_will_do() -> None:
    failed = Failed(node=NodeId("b"), reason="the copy b failed: no disk space", log_tail=("x",))
    assert word((READY, BROKEN), fewer=False) == failed
    assert word((READY, BROKEN), fewer=True) is None
    assert word((replace(BROKEN, name="b"),), fewer=True) == failed


def test_a_copy_that_served_is_started_again_but_not_for_ever() -> None:
    ended = replace(READY, serves=False, failure="killed")
    assert not ended.is_lost
    assert later_word((ended,)) is None
    worn = replace(ended, starts=MOST_STARTS)
    assert worn.is_lost
    assert isinstance(later_word((worn,)), Failed)
    assert later_word((worn, READY)) is None


COPIES = st.lists(
    st.builds(
        CopyNow,
        name=st.sampled_from(["a", "b"]),
        node=st.just(NodeId("a")),
        serves=st.booleans(),
        has_served=st.booleans(),
        failure=st.sampled_from([None, "crashed"]),
        starts=st.integers(1, 4),
        can_be_asked=st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(COPIES, st.booleans())
def test_law_a_start_is_over_only_with_a_copy_that_serves_or_a_reason(
    copies: list[CopyNow], fewer: bool
) -> None:
    state = word(copies, fewer=fewer)
    if state is None:
        assert any(one.serves for one in copies)
        assert fewer or all(one.serves for one in copies)
    if isinstance(state, Failed):
        assert any(one.is_lost for one in copies)


@given(COPIES)
def test_law_a_job_that_serves_goes_on_while_a_copy_may_come_back(copies: list[CopyNow]) -> None:
    assert (later_word(copies) is None) == any(not one.is_lost for one in copies)
