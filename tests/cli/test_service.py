"""`homecluster service` as its user sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.app import service
from homecluster.app.service import Keeper
from tests.cli.shell import run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def keep_by(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "keeper_here", lambda: keeper)


def test_it_prints_the_unit_and_changes_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_by(Keeper.SYSTEMD, monkeypatch)
    ran = run("service")
    assert ran.code == 0
    assert "[Service]" in ran.out
    assert "systemctl --user" in ran.out
    assert not (home / "config").exists()


def test_install_writes_the_unit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_by(Keeper.SYSTEMD, monkeypatch)
    document = run("service", "--install", "--json").document
    assert document["installed"] is True
    assert Path(document["file"]).read_text() == document["unit"]
    assert str(home / "state") in document["unit"]


def test_install_without_systemd_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_by(Keeper.WSL_WITHOUT_SYSTEMD, monkeypatch)
    ran = run("service", "--install")
    assert ran.code == 3
    assert "wsl.conf" in ran.err
