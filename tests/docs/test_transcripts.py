from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.commands import ROOT
from tests.docs.desk import plain
from tests.docs.seen import BLOCKS, block_of
from tests.docs.transcripts import pages, printed, transcripts


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_readme_shows_what_is_printed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(transcripts(page))
    assert found
    for command, shown in found:
        assert shown == printed(command), "python -m tests.docs.transcripts writes it anew"


@pytest.mark.parametrize("page", [*BLOCKS, "README.zh-CN.md"])
def test_what_a_real_engine_printed_is_found_to_be_written_anew(page: str) -> None:
    begin = BLOCKS[page.replace(".zh-CN", "")]
    shown = block_of(page.replace(".zh-CN", ""), (ROOT / page).read_text("utf-8"))
    assert shown.startswith(begin)
    assert "running gpt2-" in shown


def test_of_styles_and_progress_the_last_state_is_left() -> None:
    assert plain("\x1b[1mbest:\x1b[0m one \n 10%\r100%\n") == "best: one\n100%\n"
