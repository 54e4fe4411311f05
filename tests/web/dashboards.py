"""A dashboard that runs as its own process, as a person starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.ports import unused_port


@contextmanager
def dashboard(home: Path, *arguments: str, port: int | None = None) -> Iterator[str]:
    """A one-time link to a dashboard that runs as its own process."""
    port = port or unused_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "homecluster", "dashboard", "--json", "--port", str(port), *arguments],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"HOMECLUSTER_HOME": str(home)},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines: list[str] = []
        while not lines or lines[-1] != "}\n":
            line = process.stdout.readline()
            assert line, "the dashboard ended"
            lines.append(line)
        yield json.loads("".join(lines))["login_links"][0]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
