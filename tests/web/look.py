"""`python -m tests.web.look LINK PC`: opens the page where it runs, says `ready`, and how the PC looks after.

Runs inside an emulated PC, where the dashboard listens; prints one JSON line each time the PC's state changes.
"""

from __future__ import annotations

import json
import sys
import time

from tests.web.browser import opened

_STATE = """name => homecluster.page?.cluster.nodes.find(node => node.id === name)?.health"""


def main() -> None:
    link, name, pictures = sys.argv[1], sys.argv[2], sys.argv[3:]
    with opened(link) as seen:
        seen.page.wait_for_selector("#matrix button")
        said = {
            "nodes": seen.page.evaluate("homecluster.graph.nodes('[kind=\"node\"]').length"),
            "cells": seen.page.locator("#matrix button").count(),
            "errors": seen.errors,
        }
        _say({"ready": True, **said})
        shown = None
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            state = seen.page.evaluate(_STATE, name)
            if state != shown:
                shown = state
                _say({"state": state})
                if pictures:
                    seen.page.screenshot(path=pictures[0], full_page=True)
            time.sleep(0.1)


def _say(line: dict[str, object]) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
