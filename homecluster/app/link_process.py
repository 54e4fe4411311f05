"""The two ends of a link being measured, as this PC's agent starts, reads and ends their processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from homecluster.errors import MissingError, PeerError

_START_S: Final = 30.0
_END_S: Final = 5.0
_SAID_CHARS: Final = 300

Order = Mapping[str, Any]
"""As `homecluster.app.link_end` reads it; Any: JSON."""


class ListeningEnd:
    """A process that listens for one measuring PC, from its making until `close`, or until its time is up."""

    def __init__(self, order: Order) -> None:
        """Raises MissingError when it cannot listen; says why."""
        self._process = _start(order)
        self.port = _port_of(self._process)

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Its ports are closed afterwards."""
        _end(self._process)


def measured_report(order: Order, limit_s: float) -> dict[str, Any]:
    """The report document of a measuring end.

    Raises:
        PeerError: it took longer than `limit_s`.
        MissingError: it could not measure at all; says why.
    """
    process = _start(order)
    try:
        out, said = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise PeerError(f"measuring took longer than {limit_s:.0f} s and was stopped") from None
    finally:
        _end(process)
    if process.returncode != 0:
        raise MissingError(f"could not measure: {said.strip()[-_SAID_CHARS:]}")
    report: dict[str, Any] = json.loads(out)
    return report


def _start(order: Order) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        (sys.executable, "-m", "homecluster.app.link_end"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return process


def _port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    giving_up = threading.Timer(_START_S, process.kill)
    giving_up.start()
    try:
        line = process.stdout.readline()
    finally:
        giving_up.cancel()
    if not line:
        said = _end(process).strip()[-_SAID_CHARS:]
        raise MissingError(f"cannot be measured: {said or 'its listening end did not start'}")
    return int(json.loads(line)["port"])


def _end(process: subprocess.Popen[str]) -> str:
    """What it said on stderr. Its stdin ends, so it closes its ports; it is killed when it does not."""
    if process.stdout is not None and process.stdout.closed:
        return ""
    try:
        return process.communicate(timeout=_END_S)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[1]
