"""The dashboard of an emulated home, in a real browser on one of its PCs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import IO, Any

import pytest

from tests.cluster.pcs import cluster_of
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.web.browser import CHROMIUM

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


def told(stream: IO[str], key: str, *wanted: Any) -> dict[str, Any]:
    """The next line that says one of `wanted` under `key`."""
    for line in stream:
        said = json.loads(line)
        if said.get(key) in wanted:
            return said
    raise AssertionError(f"{key} was never one of {wanted}")


def test_a_cut_link_is_seen_on_the_page() -> None:
    require_lab()
    with Lab("1gbe", hosts=3) as lab, cluster_of(lab, "a", "b", "c") as pcs:
        probed = pcs["a"].type("probe", "--quick", "--json", timeout_s=200)
        assert probed.returncode == 0, probed.stderr
        a = pcs["a"]
        server = a.host.popen(
            [sys.executable, "-m", "homecluster", "dashboard", "--json"],
            env=a.environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert server.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = server.stdout.readline()
            assert line, "the dashboard ended"
            text += line
        look = a.host.popen(
            [sys.executable, "-m", "tests.web.look", json.loads(text)["login_links"][0], "c"],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert look.stdout is not None
        try:
            ready = told(look.stdout, "ready", True)
            assert (ready["nodes"], ready["cells"], ready["errors"]) == (3, 6, [])
            told(look.stdout, "state", "alive")
            lab.link("c").down()
            cut_s = time.monotonic()
            told(look.stdout, "state", "silent", "suspect")
            print(f"seen after {time.monotonic() - cut_s:.1f} s")  # noqa: T201 - told, not asserted
            told(look.stdout, "state", "dead")
            lab.link("c").up()
            told(look.stdout, "state", "alive")
        finally:
            for process in (look, server):
                process.terminate()
                process.wait(30)
