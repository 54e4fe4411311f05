"""Installing a pinned engine environment: group by group, going on where it stopped, whole only once checked."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.engine import install_own_code, with_own_code
from homecluster.app.engine_check import check_disk, check_environment, check_python
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import MissingError
from homecluster.launch.pip_step import Fetching, PipFailure, install
from homecluster.store import engine_store
from homecluster.store.engine_lock import EngineLock, LockGroup, bundled_lock
from homecluster.store.engine_store import Engine, Manifest
from homecluster.store.own_wheel import own_code
from homecluster.store.paths import Paths

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's public index of CPU builds; the usual registry has none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Installation has come to group `number` of `of`."""

    number: int
    of: int
    title: str


Progress = Callable[[Step | Fetching], None]


def install_engine(
    paths: Paths,
    kind: DeviceKind,
    tell: Progress,
    *,
    wheels: Callable[[], Path] | None = None,
) -> Engine:
    """The engine of this kind, whole and checked; at once when it is there already.

    `wheels` gives a folder to install from instead of the registry; it is called only if need be.

    Interrupted, it leaves only a partial folder, from which the next call goes on.

    Raises:
        MissingError: disk space, a wheel, the registry, venv or a suitable Python is missing.
    """
    lock = bundled_lock(kind)
    with engine_store.exclusive(paths.engines):
        there = _installed(paths.engines, lock)
        if there is not None:
            return with_own_code(there, own_code())
        check_python()
        name = engine_store.engine_name(lock, sys.version_info[:2])
        partial = paths.engines / f"{engine_store.PARTIAL_PREFIX}{name}"
        check_disk(paths.engines, lock, partial)
        _make_environment(partial)
        _install_groups(partial, lock, tell, wheels() if wheels else None)
        return _finish(partial, paths.engines / name, lock, tell)


def _installed(engines: Path, lock: EngineLock) -> Engine | None:
    whole = engine_store.engines_in(engines)
    return next((e for e in whole if e.manifest.lock_sha256 == lock.sha256), None)


def _make_environment(partial: Path) -> None:
    if engine_store.python_of(partial).exists() and engine_store.read_steps(partial):
        return
    if partial.exists():
        engine_store.remove(partial)
    # --copies is not used: a symbolic link keeps the interpreter's security updates.
    made = subprocess.run(
        (sys.executable, "-m", "venv", str(partial)), capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        said = (made.stdout + made.stderr).strip().splitlines()
        major, minor = sys.version_info[:2]
        raise MissingError(
            f"cannot make a virtual environment: {said[-1] if said else 'python -m venv failed'}",
            hint=f"on Debian or Ubuntu: sudo apt install python{major}.{minor}-venv",
        )


def _install_groups(partial: Path, lock: EngineLock, tell: Progress, wheels: Path | None) -> None:
    done = engine_store.read_steps(partial)
    for number, group in enumerate(lock.groups, start=1):
        if group.title in done:
            continue
        tell(Step(number=number, of=len(lock.groups) + 1, title=group.title))
        progress = _shows_progress(number)
        _install_group(partial, group, shows_progress=progress, tell=tell, wheels=wheels)
        done = (*done, group.title)
        engine_store.write_steps(partial, done)


def _shows_progress(number: int) -> bool:
    """The first group brings the pip that can."""
    return number > 1


def _install_group(
    partial: Path,
    group: LockGroup,
    *,
    shows_progress: bool,
    tell: Progress,
    wheels: Path | None = None,
) -> None:
    python = engine_store.python_of(partial)
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join(group.requirements) + "\n")
        # Written anew even where it is there: an interrupted call may have left half of it.
        arguments: tuple[str, ...] = ("--ignore-installed", "-r", str(listed))
        if wheels is not None:
            arguments += ("--no-index", "--find-links", str(wheels))
        failure = install(python, arguments, shows_progress=shows_progress, tell=tell)
        may_ask_torch = wheels is None and _is_cpu_build(group)
        if failure is not None and failure.trouble == "absent" and may_ask_torch:
            arguments += ("--extra-index-url", TORCH_CPU_INDEX)
            failure = install(python, arguments, shows_progress=shows_progress, tell=tell)
    if failure is not None:
        raise _missing(group, failure)


def _is_cpu_build(group: LockGroup) -> bool:
    return any("+cpu" in requirement for requirement in group.requirements)


def _missing(group: LockGroup, failure: PipFailure) -> MissingError:
    again = "run this again: it goes on where it stopped."
    hints: Mapping[str, str] = {
        "network": f"check the network or the proxy, then {again}",
        "disk": f"free some disk space, then {again}",
        "absent": "the registry that pip is configured with (pip config list) does not have this wheel for "
        f"Python {platform.python_version()} on {platform.machine()}; add one that has it, then {again}",
        "other": again,
    }
    return MissingError(
        f"installing {group.title} failed; pip said: {failure.line}", hint=hints[failure.trouble]
    )


def _finish(partial: Path, final: Path, lock: EngineLock, tell: Progress) -> Engine:
    steps = len(lock.groups) + 1
    tell(Step(number=steps, of=steps, title="homecluster's plug-in, and a check"))
    code = own_code()
    install_own_code(partial, code, lock.kind, lock.vllm_version)
    found = check_environment(partial, lock.kind)
    manifest = Manifest(
        kind=lock.kind,
        vllm=lock.vllm_version,
        torch=str(found["torch"]),
        ray=str(found["ray"]),
        python=platform.python_version(),
        lock_sha256=lock.sha256,
        own_code_sha256=code.sha256,
        installed_at=datetime.now(UTC).isoformat(timespec="seconds"),
        disk_bytes=engine_store.disk_use_bytes(partial),
    )
    engine_store.write_manifest(partial, manifest)
    partial.rename(final)
    return Engine(path=final, manifest=manifest)
