"""Whether this PC can hold an engine environment, and whether an installed one works."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.units import format_bytes
from homecluster.errors import MissingError
from homecluster.store import engine_store
from homecluster.store.engine_lock import EngineLock

CHECK_LIMIT_S = 300.0
NEWEST_PYTHON = (3, 14)
"""vLLM 0.32 says requires-python >=3.11,<3.15."""


def check_python() -> None:
    """Refuse a Python or a PC that the lock has no wheels for (MissingError)."""
    here = sys.version_info[:2]
    if here > NEWEST_PYTHON:
        newest = ".".join(map(str, NEWEST_PYTHON))
        raise MissingError(
            f"vLLM has no wheels for Python {here[0]}.{here[1]}; {newest} is the newest that it supports",
            hint="make homecluster's own environment with Python 3.11 to 3.14, for example: "
            "uv venv --python 3.12",
        )
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise MissingError(
            f"the engine's lock is for Linux on x86_64, not {sys.platform} on {platform.machine()}",
            hint="on Windows use WSL2; other processors are not supported yet.",
        )


def check_disk(engines: Path, lock: EngineLock, partial: Path) -> None:
    """Refuse to begin what the disk cannot hold (MissingError); what an interrupted call left counts."""
    present = engine_store.disk_use_bytes(partial) if partial.exists() else 0
    free = shutil.disk_usage(engines).free
    needed = max(0, lock.disk_bytes - present)
    if free < needed:
        raise MissingError(
            f"the {lock.kind} engine needs {format_bytes(needed)} in {engines}, and {format_bytes(free)} is free",
            hint="free some space, or set HOMECLUSTER_ENGINES to a directory on a larger disk.",
        )


def check_environment(environment: Path, kind: DeviceKind) -> Mapping[str, object]:
    """What the environment says of itself, once it imported vLLM and multiplied with torch."""
    argv = (str(engine_store.python_of(environment)), "-m", "homecluster.jobs.engine_check")
    # The check must not read this command's own packages.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    try:
        checked = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_LIMIT_S,
            env=clean,
            cwd=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise MissingError(
            f"the installed engine did not import vLLM within {CHECK_LIMIT_S:.0f} s",
            hint="is the disk or the memory of this PC busy? Then run this again.",
        ) from error
    lines = [line for line in (checked.stdout + checked.stderr).splitlines() if line.strip()]
    if checked.returncode != 0:
        raise MissingError(
            f"the installed engine does not work: {lines[-1] if lines else 'it said nothing'}",
            hint="a CUDA engine needs an NVIDIA driver of release 580 or newer (nvidia-smi shows it)."
            if kind is DeviceKind.CUDA
            else "remove it (homecluster engine remove partial) and install it again.",
        )
    found = json.loads(checked.stdout.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found
