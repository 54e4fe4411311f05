"""DeepSpeed and adapters beside an engine: a folder of their own, which leaves the engine as it is."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

from homecluster.app.engine_install import Progress, Step
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import MissingError
from homecluster.launch.pip_step import install
from homecluster.store import engine_store
from homecluster.store.engine_lock import EngineLock, parse_lock
from homecluster.store.engine_store import Engine

_INSTALL: Final = "homecluster engine install --{} --training"
_SOURCES: Final = ("--no-build-isolation", "--no-binary", "deepspeed")
"""It is published as source only, and its set-up reads the engine's torch."""


def training_lock() -> EngineLock:
    return parse_lock((files("homecluster.store") / "data" / "training.lock").read_text())


def training_folder(engine: Engine) -> Path:
    """Where the packages for this engine are, or would be: one name, one content."""
    return engine.path.with_name(f"training-{training_lock().sha256[:8]}-{engine.name}")


def engine_that_trains(engines: Path, kind: DeviceKind) -> Engine:
    """The engine with the training packages beside it.

    Raises:
        MissingError: one of them is not there; the hint brings both.
    """
    try:
        engine = engine_store.find_engine(engines, kind)
    except MissingError as missing:
        raise MissingError(missing.message, hint=_INSTALL.format(kind)) from missing
    find_training(engine)
    return engine


def find_training(engine: Engine) -> Path:
    """The installed packages.

    Raises:
        MissingError: they are not there.
    """
    folder = training_folder(engine)
    if not folder.is_dir():
        raise MissingError(
            "the training packages (DeepSpeed) are not installed",
            hint=_INSTALL.format(engine.manifest.kind),
        )
    return folder


def install_training(engine: Engine, tell: Progress) -> Path:
    """The packages, whole; at once where they are there already.

    Raises:
        MissingError: pip could not; its own words say why.
    """
    final = training_folder(engine)
    with engine_store.exclusive(engine.path.parent):
        if final.is_dir():
            return final
        lock = training_lock()
        partial = final.with_name(f"{engine_store.PARTIAL_PREFIX}{final.name}")
        if partial.exists():
            engine_store.remove(partial)
        for number, group in enumerate(lock.groups, start=1):
            tell(Step(number=number, of=len(lock.groups), title=group.title))
            _install(engine, partial, group.requirements, tell)
        partial.rename(final)
    return final


def _install(engine: Engine, target: Path, requirements: tuple[str, ...], tell: Progress) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join(requirements) + "\n")
        failure = install(
            engine.python,
            (*_SOURCES, "--target", str(target), "-r", str(listed)),
            shows_progress=True,
            tell=tell,
        )
    if failure is not None:
        raise MissingError(
            f"installing the training packages failed; pip said: {failure.line}",
            hint="check the network, then run this again.",
        )
