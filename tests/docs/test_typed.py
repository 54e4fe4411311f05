"""Lines of the docs typed on new PCs: the pages that need no engine, all of them by `python -m tests.docs.typed`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.docs.desk import plain
from tests.docs.keyboard import Typed
from tests.docs.typed import type_page
from tests.lab.availability import require_lab


def test_a_question_is_answered_and_the_exit_code_comes_back(tmp_path: Path) -> None:
    line = 'read -p "token (word): " it; echo "got $it"; exit 3'
    typed = Typed(("bash", "-c", line), env=os.environ, folder=tmp_path, answers={"token (": "hc1"})
    ended = typed.end(30)
    assert (ended.code, "got hc1" in ended.said) == (3, True)


def test_what_stays_ends_by_ctrl_c(tmp_path: Path) -> None:
    line = "trap 'exit 130' INT; echo ready; while :; do sleep 0.1; done"
    typed = Typed(("bash", "-c", line), env=os.environ, folder=tmp_path)
    assert typed.until("ready", 30)
    assert typed.interrupt().code == 130


def test_what_is_left_to_read_is_what_a_terminal_shows_in_the_end() -> None:
    turning = "\x1b[?25l\r\x1b[2K\x1b[32m-\x1b[0m 1 s\r\x1b[2K\x1b[32m/\x1b[0m 2 s\n\x1b[?25h\r\x1b[1A\x1b[2K"
    assert plain(f"before\n{turning}\x1b[1mready\x1b[0m\n") == "before\nready\n"


@pytest.mark.lab
@pytest.mark.slow
def test_joining_and_the_page_work_as_they_are_written() -> None:
    require_lab()
    rows = [row for page in ("docs/join.md", "docs/page.md") for row in type_page(page, None)]
    assert len(rows) >= 8
    assert [(row.line, row.outcome, row.said) for row in rows if row.is_wrong] == []
