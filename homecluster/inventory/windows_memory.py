"""How much memory the Windows PC has of which WSL shows only a part."""

from __future__ import annotations

import shutil
import subprocess

_POWERSHELL = "powershell.exe"
_QUESTION = "(Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory"
_TIMEOUT_S = 8.0


def read_windows_ram_bytes() -> int | None:
    """Asked of Windows itself, which takes about a second; None where WSL may not call its programs."""
    if shutil.which(_POWERSHELL) is None:
        return None
    try:
        done = subprocess.run(
            (_POWERSHELL, "-NoProfile", "-Command", _QUESTION),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.decode("utf-8", "replace").strip()
    return int(said) if done.returncode == 0 and said.isdigit() else None
