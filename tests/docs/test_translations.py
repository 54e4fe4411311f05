"""A translation has what the page has: the same commands, headings, table rows and links to pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.commands import ROOT

TRANSLATIONS = sorted(ROOT.glob("**/*.zh-CN.md"))
_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def original_of(translation: Path) -> str:
    return translation.with_name(translation.name.replace(".zh-CN.md", ".md")).read_text("utf-8")


def shape(text: str) -> list[str]:
    """Heading levels, table rows and list items in order, without their words."""
    prose = _BLOCK.sub("", text)
    return [
        mark[0]
        for line in prose.splitlines()
        if (mark := re.match(r"#+ |\|(?:---\|)*|- ", line)) is not None
    ]


def code_words(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_the_commands_are_the_same(page: Path) -> None:
    assert _BLOCK.findall(page.read_text("utf-8")) == _BLOCK.findall(original_of(page))


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_headings_tables_and_lists_are_the_same(page: Path) -> None:
    assert shape(page.read_text("utf-8")) == shape(original_of(page))


@pytest.mark.parametrize("page", TRANSLATIONS, ids=lambda page: page.name)
def test_every_flag_and_name_is_in_both(page: Path) -> None:
    assert sorted(set(code_words(page.read_text("utf-8")))) == sorted(
        set(code_words(original_of(page)))
    )


def test_the_readme_and_the_tutorial_are_translated() -> None:
    assert {page.name for page in TRANSLATIONS} >= {
        "README.zh-CN.md",
        "join.zh-CN.md",
        "tutorial.zh-CN.md",
    }
