import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Running, Starting, Stopped
from homecluster.launch.supervisor_step import (
    GRACE_S,
    Act,
    EngineEnded,
    Event,
    Finish,
    GraceOver,
    KillAll,
    NothingLeft,
    PhaseSeen,
    Record,
    StartTooLong,
    StopAsked,
    Supervision,
    Terminate,
    TokenCame,
    begin,
    step,
)

NODE = NodeId("desk")
BORN = begin(NODE)[0]
SERVING = step(BORN, TokenCame(after_s=30.0))[0]
STOPPING = step(SERVING, StopAsked(reason="down"))[0]
CRASHED = step(SERVING, EngineEnded(reason="signal 9", log_tail=("boom",)))[0]


def play(*events: Event) -> tuple[Supervision, list[Act]]:
    state, acts = begin(NODE)
    all_acts = list(acts)
    for event in events:
        state, acts = step(state, event)
        all_acts += acts
    return state, all_acts


def test_a_job_is_running_only_when_a_token_came() -> None:
    state, acts = play(PhaseSeen(phase="loading weights"), TokenCame(after_s=31.5))
    assert state.job == Running(start_up_s=31.5)
    assert acts == [
        Record(job=Starting(phase="starting")),
        Record(job=Starting(phase="loading weights")),
        Record(job=Running(start_up_s=31.5)),
    ]


def test_a_stop_gives_the_engine_its_grace_then_kills_then_looks_before_it_says_stopped() -> None:
    state, acts = play(TokenCame(after_s=1.0), StopAsked(reason="down"), GraceOver(), NothingLeft())
    assert state.job == Stopped(reason="down")
    assert acts[2:] == [
        Terminate(grace_s=GRACE_S),
        KillAll(),
        Record(job=Stopped(reason="down")),
        Finish(),
    ]


def test_a_crash_is_a_failure_only_told_after_the_rest_was_killed() -> None:
    state, acts = play(EngineEnded(reason="ValueError: no", log_tail=("a", "b")))
    assert state.job == Starting(phase="starting")
    assert acts[1:] == [KillAll()]
    state, acts_after = step(state, NothingLeft())
    failed = Failed(node=NODE, reason="ValueError: no", log_tail=("a", "b"))
    assert state.job == failed
    assert acts_after == (Record(job=failed), Finish())


def test_a_start_that_takes_too_long_is_ended_as_failed() -> None:
    state, acts = play(StartTooLong(limit_s=600), EngineEnded(reason="signal 15"), NothingLeft())
    assert isinstance(state.job, Failed)
    assert state.job.reason == "no token within 600 s of the start"
    assert acts[1:3] == [Terminate(grace_s=GRACE_S), KillAll()]


@pytest.mark.parametrize(
    ("state", "event", "acts"),
    [
        (BORN, PhaseSeen(phase="starting"), ()),
        (BORN, GraceOver(), ()),
        (BORN, NothingLeft(), ()),
        (SERVING, PhaseSeen(phase="loading weights"), ()),
        (SERVING, TokenCame(after_s=9.0), ()),
        (SERVING, StartTooLong(limit_s=1.0), ()),
        (STOPPING, StopAsked(reason="again"), (KillAll(),)),
        (STOPPING, EngineEnded(reason="exit 0"), (KillAll(),)),
        (STOPPING, TokenCame(after_s=1.0), ()),
        (STOPPING, PhaseSeen(phase="x"), ()),
        (CRASHED, StopAsked(reason="down"), (KillAll(),)),
    ],
)
def test_the_table(state: Supervision, event: Event, acts: tuple[Act, ...]) -> None:
    after, done = step(state, event)
    assert done == acts
    assert after == state


EVENTS = st.one_of(
    st.builds(PhaseSeen, phase=st.sampled_from(["loading weights", "warming up"])),
    st.builds(TokenCame, after_s=st.floats(0, 1e3)),
    st.builds(EngineEnded, reason=st.just("exit 1")),
    st.builds(StopAsked, reason=st.just("down")),
    st.builds(StartTooLong, limit_s=st.just(600.0)),
    st.builds(GraceOver),
    st.builds(NothingLeft),
)


@given(st.lists(EVENTS, max_size=12))
def test_whatever_happens_an_end_is_final_and_said_once(events: list[Event]) -> None:
    state, acts = play(*events)
    finishes = [act for act in acts if isinstance(act, Finish)]
    over = isinstance(state.job, Stopped | Failed)
    assert len(finishes) == int(over)
    if over:
        assert acts[-2:] == [Record(job=state.job), Finish()]
        assert step(state, StopAsked(reason="down")) == (state, ())


@given(st.lists(EVENTS, max_size=12))
def test_a_stop_from_anywhere_ends_once_nothing_is_left(events: list[Event]) -> None:
    state, _ = play(*events, StopAsked(reason="down"), GraceOver(), NothingLeft())
    assert isinstance(state.job, Stopped | Failed)
