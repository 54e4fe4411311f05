"""An engine's wheels from another PC: only from operators, and only of the same lock and Python."""

from __future__ import annotations

import platform
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from homecluster.app import engine_peers, file_share
from homecluster.app.engine_peers import forget_wheels, pull_wheels
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import PeerError
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import engines_in, partials, write_manifest
from homecluster.store.paths import Paths, paths_from
from tests.app.test_file_pull import by
from tests.fakes.gang_engine import make_engine
from tests.fakes.members import FakeMembers, member


def paths(home: Path) -> Paths:
    return paths_from({"HOMECLUSTER_HOME": str(home)})


def package(environment: Path, name: str, version: str) -> None:
    """One installed module."""
    packages = environment / "lib" / "python3.11" / "site-packages"
    info = packages / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (packages / f"{name}.py").write_text("x = 1\n")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    names = (f"{name}.py", f"{info.name}/METADATA", f"{info.name}/WHEEL", f"{info.name}/RECORD")
    (info / "RECORD").write_text("".join(f"{one},,\n" for one in names))


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    made = make_engine(paths(tmp_path / "there").engines)
    package(made, "pip", "26.3")
    package(made, "homecluster", "0.1.0")
    (found,) = engines_in(made.parent)
    write_manifest(made, replace(found.manifest, python=platform.python_version()))
    return made


def members(tmp_path: Path, role: Role = Role.OPERATOR) -> FakeMembers:
    return FakeMembers(
        homes={"there": paths(tmp_path / "there")},
        handlers={
            "engine.offer": partial(by, engine_peers.offer_wheels),
            "files.list": partial(by, file_share.listed),
            "files.read": partial(by, file_share.read),
            "files.digest": partial(by, file_share.digest),
            "files.done": partial(by, file_share.done),
        },
        described=(member("here", is_here=True), member("there", role=role)),
    )


def pull(tmp_path: Path, cluster: FakeMembers) -> Path:
    return pull_wheels(paths(tmp_path / "here"), DeviceKind.CPU, cluster, lambda _: None)


def test_wheels_of_the_lock_come_and_are_forgotten_after_the_installation(
    tmp_path: Path, engine: Path
) -> None:
    assert engine.is_dir()
    folder = pull(tmp_path, members(tmp_path))
    assert [wheel.name for wheel in folder.iterdir()] == ["pip-26.3-py3-none-any.whl"]
    forget_wheels(paths(tmp_path / "here"))
    assert not folder.exists()


def test_what_the_giver_packed_goes_once_everybody_who_asked_has_it(
    tmp_path: Path, engine: Path
) -> None:
    home = paths(tmp_path / "there")
    ask = {
        "kind": "cpu",
        "machine": platform.machine(),
        "lock_sha256": bundled_lock(DeviceKind.CPU).sha256,
    }
    ask["python"] = ".".join(platform.python_version_tuple()[:2])
    named = engine_peers.offer_wheels(home, NodeId("other"), ask)["offer"]
    pull(tmp_path, members(tmp_path))
    assert [path.name for path in partials(engine.parent)] == [".partial-wheels-fake-engine"]
    file_share.done(home, NodeId("other"), {"model": named})
    assert partials(engine.parent) == ()


def test_without_room_no_wheel_is_packed(
    tmp_path: Path, engine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage(tmp_path)._replace(free=1_000)
    (found,) = engines_in(engine.parent)
    write_manifest(engine, replace(found.manifest, disk_bytes=1_000_000))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(PeerError, match="there: its wheels need"):
        pull(tmp_path, members(tmp_path))
    assert not list(engine.parent.glob(".partial*/*.whl"))


def test_another_python_is_refused_by_its_pc_and_named(tmp_path: Path, engine: Path) -> None:
    (found,) = engines_in(engine.parent)
    write_manifest(engine, replace(found.manifest, python="3.9.1"))
    with pytest.raises(PeerError, match=r"there: its engine is fake-engine on .* does not fit"):
        pull(tmp_path, members(tmp_path))


def test_a_worker_is_not_asked_for_code(tmp_path: Path, engine: Path) -> None:
    assert engine.is_dir()
    cluster = members(tmp_path, Role.WORKER)
    with pytest.raises(PeerError, match="there is none"):
        pull(tmp_path, cluster)
    assert cluster.asked == []
