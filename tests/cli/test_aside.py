"""What is said on stderr fits the terminal: no word is cut, no command broken, no typing error left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.cli.aside import fitted
from tests.cli.shell import run

INSTALL = "missing: the cpu engine (vLLM 0.32.0) is not installed: homecluster engine install --cpu"


@settings(max_examples=60)
@given(st.text("ab ", max_size=200), st.integers(20, 100))
def test_law_words_stay_whole_and_lines_fit_where_words_do(text: str, columns: int) -> None:
    lines = fitted(f"  {text}", columns).split("\n")

    assert " ".join(lines).split() == text.split()
    assert all(len(one) <= columns or len(one.split()) == 1 for one in lines)


def test_a_command_to_type_is_copied_as_one_line() -> None:
    assert fitted(INSTALL, 80).split("\n") == [
        "missing: the cpu engine (vLLM 0.32.0) is not installed:",
        "  homecluster engine install --cpu",
    ]
    assert fitted(INSTALL, None) == INSTALL


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("statsu",), "status"), (("engine", "instal"), "install"), (("plan", "--modle", "m"), "--model")],
)  # fmt: skip
def test_a_typing_error_is_told_what_was_meant(typed: tuple[str, ...], meant: str) -> None:
    ran = run(*typed)
    assert (ran.code, ran.out) == (2, "")
    assert f"hint: did you mean {meant}" in ran.err
    assert "Did you mean" not in ran.err


def test_each_command_of_a_hint_stays_whole() -> None:
    hint = "  hint: move it: homecluster token --backup FILE here, homecluster join --new there"
    assert fitted(hint, 60).split("\n") == [
        "  hint: move it: homecluster token --backup FILE here,",
        "    homecluster join --new there",
    ]
