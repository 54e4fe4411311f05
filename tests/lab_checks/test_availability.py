"""Where no lab can be, the tests that need one say why and are counted as skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.lab import availability
from tests.lab.guest import ROOT

reason = availability.lab_unavailable_reason.__wrapped__


def test_without_root_the_reason_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "root" in (reason() or "")


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda tool: None if tool == "nft" else f"/usr/bin/{tool}")
    assert "not installed: nft" in (reason() or "")


def test_a_test_that_needs_a_lab_is_skipped_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(availability, "lab_unavailable_reason", lambda: "no tun device")
    with pytest.raises(pytest.skip.Exception, match="lab unavailable: no tun device"):
        availability.require_lab()


@pytest.mark.lab
@pytest.mark.usefixtures("_lab_possible")
def test_root_without_the_right_to_namespaces_is_told_so_and_its_lab_does_not_start() -> None:
    """Root as in an ordinary container: no CAP_SYS_ADMIN."""
    program = (
        "from tests.lab.availability import lab_unavailable_reason\n"
        "from tests.lab.lab import Lab\n"
        "print(lab_unavailable_reason())\n"
        "with Lab('1gbe'): pass\n"
    )
    argv = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert "namespaces are refused" in done.stdout
    assert "LabError: the lab did not start: [Errno 1] unshare: Operation" in done.stderr
