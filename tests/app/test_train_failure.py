"""How a training that ended badly is told: in its own words, with what can be done."""

from __future__ import annotations

import pytest

from homecluster.app.train_failure import failure_of
from homecluster.errors import InputError, LaunchError, MissingError
from homecluster.launch.engine_tool import Finished


def ended(code: int, *said: str) -> Finished:
    return Finished(code=code, timed_out=False, output="", said=said)


@pytest.mark.parametrize(("code", "kind"), [(2, InputError), (3, MissingError), (1, LaunchError)])
def test_ranks_that_say_what_is_wrong_are_quoted(code: int, kind: type[Exception]) -> None:
    told = failure_of(ended(code, "step 4 of 9: loss 2.0, 9 samples/s", "error: no room", "  hint: make some", ""))  # fmt: skip
    assert (type(told), told.message, told.hint) == (kind, "no room", "make some")


@pytest.mark.parametrize(
    ("code", "words"),
    [(1, "torch.OutOfMemoryError: CUDA out of memory."), (1, "DefaultCPUAllocator: can't allocate memory")],
)  # fmt: skip
def test_memory_that_ran_out_gets_advice(code: int, words: str) -> None:
    told = failure_of(ended(code, "Traceback", words))
    assert told.message == f"training failed: {words}"
    assert "--sequence" in (told.hint or "")


def test_ranks_that_the_kernel_killed_get_the_same_advice() -> None:
    told = failure_of(ended(-9, "step 4 of 9: loss 2.0, 9 samples/s"))
    assert "killed (SIGKILL)" in told.message
    assert "--sequence" in (told.hint or "")


def test_a_mistake_of_ours_gets_none() -> None:
    told = failure_of(ended(1, "KeyError: 'x'"))
    assert (told.message, told.hint) == ("training failed: KeyError: 'x'", None)
