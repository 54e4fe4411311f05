"""The leader of a gang: starts in order, ends together, and says why."""

from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Running, Starting, Stopped, is_over
from homecluster.launch.gang_events import (
    Accepted,
    Finish,
    Record,
    Refused,
    Silent,
    Start,
    StartTooLong,
    Stop,
    StopAsked,
    Told,
)
from homecluster.launch.gang_step import (
    Gang,
    begin,
    step,
)

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
RUNNING = Running(start_up_s=9.0)


def failed(reason: str, node: str = "x") -> Failed:
    return Failed(node=NodeId(node), reason=reason, log_tail=("line",))


def silent(share: int, for_s: float) -> Silent:
    return Silent(share=share, for_s=for_s, why="no way to b")


def after(*events, nodes=(A, B)):
    """(gang, all acts since the beginning)."""
    gang, acts = begin(nodes)
    for event in events:
        gang, more = step(gang, event)
        acts += more
    return gang, acts


def both_started():
    return Accepted(share=0), Accepted(share=1)


def test_shares_start_one_after_the_other() -> None:
    _, acts = after(Accepted(share=0), Accepted(share=1), Accepted(share=2), nodes=(A, B, C))
    assert [act.share for act in acts if isinstance(act, Start)] == [0, 1, 2]


def test_every_pc_is_named_with_what_it_does() -> None:
    gang, _ = after(
        *both_started(),
        Told(share=0, state=Starting(phase="loading weights")),
        Told(share=1, state=Starting(phase="making random weights")),
    )
    assert gang.job == Starting(phase="a: loading weights; b: making random weights")


def test_it_runs_when_a_token_came_through_share_0_while_all_live() -> None:
    gang, acts = after(
        *both_started(), Told(share=1, state=Starting(phase="x")), Told(share=0, state=RUNNING)
    )
    assert gang.job == RUNNING
    assert acts[-1] == Record(job=RUNNING)


def test_a_share_that_fails_ends_the_others_with_its_pc_named() -> None:
    gang, acts = after(*both_started(), Told(share=1, state=failed("no memory")))
    assert acts[-1] == Stop(share=0)
    gang, acts = step(gang, Told(share=0, state=Stopped(reason="asked")))
    assert gang.job == Failed(node=B, reason="no memory", log_tail=("line",))
    assert acts == (Record(job=gang.job), Finish())


def test_the_cause_beats_its_echo_on_another_pc() -> None:
    gang, _ = after(
        *both_started(),
        Told(share=0, state=failed("RuntimeError: Connection closed by peer [10.0.0.3]", "a")),
        Told(share=1, state=failed("the engine was killed (SIGKILL)", "b")),
    )
    assert gang.job.reason == "the engine was killed (SIGKILL)"


def test_a_refused_start_ends_what_was_started() -> None:
    gang, acts = after(Accepted(share=0), Refused(share=1, reason="no such model"))
    assert acts[-1] == Stop(share=0)
    gang, _ = step(gang, Told(share=0, state=Stopped(reason="asked")))
    assert gang.job == Failed(node=B, reason="no such model")


def test_a_short_silence_is_no_end_and_a_long_one_is() -> None:
    gang, acts = after(*both_started(), silent(share=1, for_s=3.0))
    assert not [act for act in acts if isinstance(act, Stop)]
    gang, acts = step(gang, silent(share=1, for_s=10.5))
    assert acts == (Stop(share=0), Stop(share=1))
    gang, acts = step(gang, Told(share=0, state=Stopped(reason="asked")))
    assert isinstance(gang.job, Failed)  # b is not waited for: its lease runs out
    assert "b has not answered for 10 s (no way to b)" in gang.job.reason
    assert Finish() in acts


def test_a_pc_that_was_silent_and_comes_back_does_not_begin_anew() -> None:
    gang, _ = after(*both_started(), silent(share=1, for_s=10.5))
    gang, _ = step(gang, Told(share=1, state=RUNNING))
    gang, acts = step(gang, Told(share=0, state=Stopped(reason="asked")))
    assert Finish() in acts


def test_a_stop_reaches_a_pc_whose_start_was_still_under_way() -> None:
    gang, acts = after(Accepted(share=0), StopAsked(reason="Ctrl-C"))
    assert {act.share for act in acts if isinstance(act, Stop)} == {0, 1}
    gang, acts = step(gang, Accepted(share=1))
    assert acts == (Stop(share=1),)


def test_a_share_stopped_by_someone_stops_all_and_is_no_failure() -> None:
    gang, _ = after(
        *both_started(),
        Told(share=1, state=Stopped(reason="asked to stop (SIGTERM)")),
        Told(share=0, state=Stopped(reason="x")),
    )
    assert gang.job == Stopped(reason="stopped on b: asked to stop (SIGTERM)")


def test_a_start_that_takes_too_long_fails_and_a_running_gang_does_not() -> None:
    gang, acts = after(*both_started(), StartTooLong(limit_s=60.0))
    assert Stop(share=0) in acts
    gang, acts = after(*both_started(), Told(share=0, state=RUNNING), StartTooLong(limit_s=60.0))
    assert gang.job == RUNNING


SHARES = st.integers(0, 2)
STATES = st.sampled_from(
    [Starting(phase="p"), RUNNING, Stopped(reason="s"), failed("f"), failed("timed out")]
)
EVENTS = st.one_of(
    st.builds(Accepted, share=SHARES),
    st.builds(Refused, share=SHARES, reason=st.just("r")),
    st.builds(Told, share=SHARES, state=STATES),
    st.builds(silent, share=SHARES, for_s=st.floats(0, 60)),
    st.builds(StopAsked, reason=st.just("asked")),
    st.builds(StartTooLong, limit_s=st.just(60.0)),
)


def possible(gang: Gang, event) -> bool:
    """Only a PC that was told to start says anything of its share, and one that is over says no more."""
    share = getattr(event, "share", None)
    return share is None or gang.shares[share].is_left


@given(st.lists(EVENTS, max_size=25))
def test_it_finishes_exactly_when_nothing_is_left_and_every_live_share_was_told_to_stop(
    events,
) -> None:
    gang, acts = begin((A, B, C))
    stopped: set[int] = set()
    for event in events:
        if is_over(gang.job) or not possible(gang, event):
            continue
        gang, acts = step(gang, event)
        stopped |= {act.share for act in acts if isinstance(act, Stop)}
        left = {n for n, share in enumerate(gang.shares) if share.is_left}
        assert (Finish() in acts) == is_over(gang.job)
        if is_over(gang.job):
            assert not left
            assert gang.job == gang.ending
        if gang.ending is not None:
            assert left <= stopped


@given(st.lists(EVENTS, max_size=25))
def test_once_asked_to_stop_it_ends_when_every_share_did(events) -> None:
    gang, _ = begin((A, B, C))
    for event in events:
        if possible(gang, event):
            gang, _ = step(gang, event)
    gang, _ = step(gang, StopAsked(reason="asked"))
    for number in range(3):
        if gang.shares[number].is_left:
            gang, _ = step(gang, Told(share=number, state=Stopped(reason="asked")))
    assert is_over(gang.job)
