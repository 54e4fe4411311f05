"""How wide output is that goes into a file or another program."""

import io
from contextlib import redirect_stdout

import pytest

from homecluster.cli.render_console import console
from homecluster.cli.render_progress import progress_console


@pytest.mark.parametrize(("told", "width"), [("70", 70), ("", 160), ("wide", 160)])
def test_piped_output_is_as_wide_as_columns_says_and_else_keeps_sentences_whole(
    monkeypatch: pytest.MonkeyPatch, told: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", told)
    with redirect_stdout(io.StringIO()):
        assert console().width == width


def test_a_progress_line_leaves_room_for_ctrl_c_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    assert progress_console().width == 76
