"""Each phase of a start lasts until the next one, the last until the first token."""

from __future__ import annotations

from homecluster.app.start_phases import StartPhases
from homecluster.domain.job import Running, Starting, Stopped


def test_a_running_job_knows_how_long_each_phase_took() -> None:
    clock = iter((0.0, 40.0, 41.5, 44.0))
    phases = StartPhases(lambda: next(clock))
    for phase in ("starting", "loading weights", "warming up"):
        phases.timed(Starting(phase=phase))
    assert phases.timed(Running(start_up_s=44.0)) == Running(
        start_up_s=44.0,
        phases=(("starting", 40.0), ("loading weights", 1.5), ("warming up", 2.5)),
    )


def test_the_phases_that_a_gangs_first_pc_timed_are_kept() -> None:
    phases = StartPhases(lambda: 0.0)
    phases.timed(Starting(phase="a: starting; b: starting"))
    told = Running(start_up_s=9.0, phases=(("starting", 9.0),))
    assert phases.timed(told) == told
    assert phases.timed(Stopped(reason="asked to")) == Stopped(reason="asked to")


def test_a_job_that_runs_at_once_has_no_phases() -> None:
    assert StartPhases().timed(Running(start_up_s=0.0)) == Running(start_up_s=0.0)
