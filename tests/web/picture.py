"""`python -m tests.web.picture`: types what docs/page.md shows, and keeps what a browser then sees for the docs."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.docs.commands import ROOT
from tests.web.browser import opened
from tests.web.dashboards import dashboard
from tests.web.homes import HOTSPOT

KEPT = ROOT / "docs" / "pictures" / "dashboard.png"
_SETTLES_MS = 3000
"""Charts draw a frame later, and what-if has answered by then."""


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as home,
        dashboard(Path(home), "--cluster", str(HOTSPOT), "--model", "gpt2") as link,
        opened(link) as seen,
    ):
        seen.page.wait_for_selector("#matrix button")
        seen.page.click("[value='1gbe']")
        seen.page.wait_for_timeout(_SETTLES_MS)
        seen.page.screenshot(path=KEPT, full_page=True)


if __name__ == "__main__":
    main()
