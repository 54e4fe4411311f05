"""Whether this machine allows a lab, and how a test says so when it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

import pytest

_TOOLS: Final = ("ip", "nsenter", "ping", "iperf3", "nft")
_TRY_TIMEOUT_S: Final = 10


@cache
def lab_unavailable_reason() -> str | None:
    """Why no lab can run here, in one sentence; none when it can."""
    if sys.platform != "linux":
        return "the lab needs Linux network namespaces"
    if os.geteuid() != 0:
        return "the lab needs root (network namespaces, TAP devices)"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (see tests/lab/system-packages.txt)"
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
    except OSError as error:
        return f"/dev/net/tun: {error.strerror}"
    allowed = Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()
    if "cubic" not in allowed:
        return "this kernel has no cubic congestion control"
    attempt = subprocess.run(
        ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--fork", "true"],
        capture_output=True,
        text=True,
        timeout=_TRY_TIMEOUT_S,
        check=False,
    )
    return f"namespaces are refused: {attempt.stderr.strip()}" if attempt.returncode else None


def require_lab() -> None:
    """Skip the calling test with the reason (counted and shown by -ra), or let it go on."""
    reason = lab_unavailable_reason()
    if reason is not None:
        pytest.skip(f"lab unavailable: {reason}")
