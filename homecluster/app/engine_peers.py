"""An engine's wheels from a member that has the engine, instead of from a registry."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from homecluster.app.file_pull import Source, Tell, check_room, lock_of, partial_of, pull_model
from homecluster.app.offers import Offer, add_taker
from homecluster.app.ports import Members
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.domain.order_reader import text
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import PARTIAL_PREFIX, Engine, find_engine
from homecluster.store.files import private_folder
from homecluster.store.installed_wheel import write_wheel
from homecluster.store.paths import Paths

OFFER_WITHIN_S: Final = 1800.0
"""Packing gigabytes on a slow disk."""
_LOCK_SHA: Final = re.compile(r"[0-9a-f]{64}")
_PYTHON: Final = re.compile(r"3\.\d{1,2}")
ASK_AGAIN_S: Final = 5.0
OFFERED_FOR_S: Final = 24 * 3600.0
_packing = threading.Lock()

Body = Mapping[str, Any]


def offer_wheels(paths: Paths, asker: NodeId, body: Body) -> dict[str, Any]:
    """Pack this PC's engine into wheels and offer them to who asks; names the offer, or says that it is at it.

    Raises:
        InputError: this PC's engine is of another lock, Python or kind of processor.
        MissingError: it has none, or no room to pack it.
    """
    kind = DeviceKind(text(body, "kind", re.compile("cpu|cuda")))
    engine = find_engine(paths.engines, kind)
    asked = (text(body, "lock_sha256", _LOCK_SHA), text(body, "python", _PYTHON))
    own = (engine.manifest.lock_sha256, _minor(engine.manifest.python))
    if asked != own or body.get("machine") != platform.machine():
        raise InputError(
            f"its engine is {engine.name} on {platform.machine()}, which does not fit this PC",
            hint="the same homecluster and the same Python are needed on both.",
        )
    if not _packing.acquire(blocking=False):
        return {"offer": None}  # for another PC: a thread of the agent must not wait so long
    try:
        one = _offer_of(paths, engine, asker)
        # First, so that another PC that is done does not take the wheels away.
        add_taker(paths, one)
        _pack(engine, one.folder)
    finally:
        _packing.release()
    return {"offer": one.name}


def pull_wheels(paths: Paths, kind: DeviceKind, members: Members, tell: Tell) -> Path:
    """A folder with the engine's wheels, from the first operator's PC that has them.

    Only operators are asked: a wheel is code that runs here.

    Raises:
        PeerError: no member gives them; names what each one said.
    """
    said = []
    for one in members.members():
        if one.is_here or one.role is not Role.OPERATOR or one.health is not Health.ALIVE:
            continue
        tell(f"{one.name} packs its engine")
        try:
            return _pull_from(paths, kind, members, one, tell)
        except (InputError, MissingError, PeerError) as error:
            said.append(f"{one.name}: {error.message}")
    raise PeerError(
        f"no other operator's PC gives the {kind} engine: {'; '.join(said) or 'there is none'}",
        hint="without --from-peers it comes from the registry that pip is configured with.",
    )


def forget_wheels(paths: Paths) -> None:
    """After the installation."""
    shutil.rmtree(_pulled(paths), ignore_errors=True)
    lock_of(partial_of(_pulled(paths))).unlink(missing_ok=True)


def _pulled(paths: Paths) -> Path:
    return paths.engines / f"{PARTIAL_PREFIX}wheels-of-a-peer"


def _pull_from(paths: Paths, kind: DeviceKind, members: Members, one: Member, tell: Tell) -> Path:
    body = {
        "kind": str(kind),
        "lock_sha256": bundled_lock(kind).sha256,
        "python": _minor(platform.python_version()),
        "machine": platform.machine(),
    }
    source = Source(members=members, node=one.node, model=_offer_from(members, one, body))
    private_folder(paths.engines)
    return pull_model(source, _pulled(paths), only_config=False, tell=tell)


def _offer_from(members: Members, one: Member, body: Body) -> str:
    """The offer's name, once that PC has packed; meanwhile it may pack for another one."""
    ends_s = time.monotonic() + OFFER_WITHIN_S
    while time.monotonic() < ends_s:
        told = members.ask(one.node, "engine.offer", body, deadline_s=OFFER_WITHIN_S)
        if told["offer"] is not None:
            return str(told["offer"])
        time.sleep(ASK_AGAIN_S)
    raise PeerError("it packs its engine for other PCs all the time")


def _offer_of(paths: Paths, engine: Engine, asker: NodeId) -> Offer:
    """Ends when everybody who asked has the wheels, after a day, or by `engine remove partial`."""
    return Offer(
        name=f"engine/{engine.name}",
        folder=paths.engines / f"{PARTIAL_PREFIX}wheels-{engine.name}",
        to=(asker,),
        job=None,
        until_s=time.time() + OFFERED_FOR_S,
        is_made_for_it=True,
    )


def _pack(engine: Engine, folder: Path) -> None:
    """Wheels of everything that the engine's lock names; those that are there stay."""
    private_folder(folder)
    packed_bytes = sum(wheel.stat().st_size for wheel in folder.glob("*.whl"))
    check_room(folder, engine.manifest.disk_bytes - packed_bytes, "its wheels")
    lock = bundled_lock(engine.manifest.kind)
    wanted = {_plain(line) for group in lock.groups for line in group.requirements}
    python = f"cp{_minor(engine.manifest.python).replace('.', '')}"
    tag = f"{python}-{python}-linux_{platform.machine()}"
    (packages,) = (engine.path / "lib").glob("python3.*/site-packages")
    try:
        for distribution in importlib.metadata.distributions(path=[str(packages)]):
            if _plain(str(distribution.metadata["Name"])) in wanted:
                write_wheel(distribution, folder, tag)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise MissingError(
            f"cannot pack the engine in {folder}: {error.strerror or error}",
            hint="free some disk space there.",
        ) from error


def _plain(requirement: str) -> str:
    """The normalised name of a requirement."""
    name = re.split(r"[=<>!~\[ ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
