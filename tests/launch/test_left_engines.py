"""Which processes of engines nobody owns any more."""

from homecluster.launch.left_engines import is_left


def test_an_engine_of_a_job_that_is_over_is_left() -> None:
    assert is_left(4711, "gpt2-1", {"gpt2-1"})


def test_an_engine_of_a_living_job_or_of_another_state_directory_is_not() -> None:
    assert not is_left(1, "gpt2-2", {"gpt2-1"})


def test_an_engine_that_somebody_started_by_hand_is_not() -> None:
    assert not is_left(4711, None, set())


def test_an_engine_whose_parent_is_gone_is_left() -> None:
    assert is_left(1, None, set())
