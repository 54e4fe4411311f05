"""The probe's clock tells the parts of a real start from vLLM's own lines."""

from __future__ import annotations

from homecluster.jobs.start_clock import StartClock, start_parts

CONFIGURED = (
    "(APIServer pid=15) INFO 11-22 08:21:16 [model.py:733] Resolved architecture: GPT2LMHeadModel\n"
)
BEGINS = "(EngineCore pid=31) INFO 11-22 08:21:27 [core.py:133] Initializing a V1 LLM engine (v0.32.0) with config:\n"


def test_each_part_of_the_start_ends_with_its_line() -> None:
    clock = StartClock()
    clock.note("", 0.2)
    clock.note(CONFIGURED, 17.0)
    clock.note(CONFIGURED, 17.2)
    clock.note(CONFIGURED + BEGINS, 28.0)
    clock.note(CONFIGURED + BEGINS, 28.2)
    assert start_parts(clock.reached_s, ready_s=32.0) == {
        "server_start_s": 28.0,
        "worker_start_s": 11.0,
        "engine_ready_s": 4.0,
    }


def test_a_log_without_the_lines_measures_nothing() -> None:
    clock = StartClock()
    clock.note(BEGINS, 28.0)
    assert start_parts(clock.reached_s, ready_s=32.0) is None
