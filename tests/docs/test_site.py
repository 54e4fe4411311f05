"""The site's menu has every page, once."""

from __future__ import annotations

import re

from tests.docs.commands import ROOT


def test_every_page_is_in_the_menu_once() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    assert sorted(listed) == sorted([*pages, "decisions/index.md"])
