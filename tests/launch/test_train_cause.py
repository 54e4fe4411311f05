"""Which of several PCs ended a training: a lost one is left out, a mistake is told, an echo explains nothing."""

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, Running, Starting, Stopped
from homecluster.launch.train_cause import Broken, Lost, Seen, cause_of

RUNS = Seen(name="a", state=Running(start_up_s=0.0))


def failed(name: str, reason: str, code: int | None) -> Seen:
    return Seen(name=name, state=Failed(node=NodeId(name), reason=reason), code=code)


def test_ranks_that_run_start_or_finished_are_no_cause() -> None:
    starts = Seen(name="b", state=Starting(phase="copying"), silent_s=9.0)
    done = Seen(name="c", state=Stopped(reason="finished"), code=0)
    assert cause_of([RUNS, starts, done]) is None


def test_a_silent_pc_a_killed_rank_and_a_dead_owner_are_lost() -> None:
    silent = Seen(name="b", state=Running(start_up_s=0.0), silent_s=12.0)
    assert cause_of([RUNS, silent]) == Lost(name="b", reason="b has not answered for 12 s")
    for code in (-9, None):
        assert cause_of([RUNS, failed("b", "killed", code)]) == Lost(name="b", reason="killed")


def test_an_echo_waits_for_what_explains_it() -> None:
    echo = failed("b", "RuntimeError: Connection closed by peer", 1)
    assert cause_of([echo, RUNS]) is None
    assert cause_of([echo, failed("c", "killed", -9)]) == Lost(name="c", reason="killed")


def test_a_mistake_would_come_again() -> None:
    wrong = failed("b", "rows.jsonl:3: not one JSON object", 2)
    assert cause_of([RUNS, wrong]) == Broken(
        name="b", reason="rows.jsonl:3: not one JSON object", code=2
    )
