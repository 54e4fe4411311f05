"""A change of wording or of a figure is seen: tests/golden/*.txt; written anew by `python -m tests.cli.golden`."""

import pytest

from tests.cli.golden import CASES, GOLDEN, shown


@pytest.mark.parametrize("case", CASES)
def test_the_examples_read_as_they_did(case: str) -> None:
    assert shown(case) == (GOLDEN / f"{case}.txt").read_text(encoding="utf-8")


def test_every_kept_text_belongs_to_a_case() -> None:
    assert {file.stem for file in GOLDEN.glob("*.txt")} == set(CASES)
