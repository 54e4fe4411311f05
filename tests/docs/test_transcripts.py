from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.commands import ROOT
from tests.docs.transcripts import pages, printed, transcripts


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_readme_shows_what_is_printed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(transcripts(page))
    assert found
    for command, shown in found:
        assert shown == printed(command), "python -m tests.docs.transcripts writes it anew"
