"""A real browser for tests of the pages, and what it complained about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium")
_KEPT = Path(__file__).parents[2] / "build" / "screenshots"
_ALONE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass
class Watched:
    """One page and everything that went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Addresses that were requested."""

    def picture(self, name: str) -> None:
        """Keep a screenshot of the test run, in build/screenshots or HOMECLUSTER_SCREENSHOTS."""
        folder = Path(os.environ.get("HOMECLUSTER_SCREENSHOTS", _KEPT))
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


@contextmanager
def opened(url: str, *, dark: bool = False, width: int = 1400) -> Iterator[Watched]:
    """The page at `url` in a fresh browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ALONE))
        try:
            context = browser.new_context(
                viewport={"width": width, "height": 1000}, color_scheme="dark" if dark else "light"
            )
            page = context.new_page()
            page.set_default_timeout(120_000)  # a shared machine may starve a browser for long
            watched = Watched(page)
            page.on("pageerror", lambda error: watched.errors.append(str(error)))
            page.on(
                "console",
                lambda said: watched.errors.append(said.text) if said.type in {"error", "warning"} else None,
            )  # fmt: skip
            page.on("dialog", lambda dialog: watched.errors.append(f"dialog {dialog.message}"))
            page.on("request", lambda request: watched.asked.append(request.url))
            page.goto(url)
            yield watched
        finally:
            browser.close()
