"""How the agent is kept running, with and without systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.app.service import Keeper, Service, install, keeper_here, service, unit_text
from homecluster.errors import MissingError
from homecluster.inventory.host_files import ReadText


def read_from(files: dict[str, str]) -> ReadText:
    def read(path: str) -> str | None:
        return files.get(path)

    return read


WSL = "5.15.167.4-microsoft-standard-WSL2"


@pytest.mark.parametrize(
    ("files", "keeper"),
    [
        ({"/proc/1/comm": "systemd"}, Keeper.SYSTEMD),
        ({"/proc/1/comm": "systemd", "/proc/sys/kernel/osrelease": WSL}, Keeper.SYSTEMD),
        ({"/proc/1/comm": "init", "/proc/sys/kernel/osrelease": WSL}, Keeper.WSL_WITHOUT_SYSTEMD),
        ({"/proc/1/comm": "sh", "/proc/sys/kernel/osrelease": "6.1.0"}, Keeper.NOTHING),
        ({}, Keeper.NOTHING),
    ],
)
def test_the_first_process_tells_who_keeps_the_agent(files: dict[str, str], keeper: Keeper) -> None:
    assert keeper_here(read_from(files), "linux") is keeper


def made(keeper: Keeper, folder: Path = Path("/home/anna/.config")) -> Service:
    return service(
        keeper,
        python="/opt/my python/bin/python",
        home=Path("/data/100% mine"),
        user="anna",
        environment={"XDG_CONFIG_HOME": str(folder), "WSL_DISTRO_NAME": "Debian"},
    )


def test_the_unit_quotes_what_systemd_would_take_apart() -> None:
    unit = made(Keeper.SYSTEMD).unit
    assert unit is not None
    assert 'ExecStart="/opt/my python/bin/python" -m homecluster join --foreground' in unit
    assert 'Environment="HOMECLUSTER_HOME=/data/100%% mine"' in unit


def test_a_restart_of_the_agent_leaves_its_jobs_alone() -> None:
    assert "KillMode=process" in unit_text("python", Path("/h"))


def test_the_unit_is_written_to_the_users_folder(tmp_path: Path) -> None:
    found = made(Keeper.SYSTEMD, tmp_path)
    assert install(found) == tmp_path / "systemd" / "user" / "homecluster.service"
    assert (tmp_path / "systemd" / "user" / "homecluster.service").read_text() == found.unit
    assert any("daemon-reload" in step for step in found.steps)


@pytest.mark.parametrize("keeper", [Keeper.WSL_WITHOUT_SYSTEMD, Keeper.NOTHING])
def test_without_systemd_nothing_is_written_and_the_way_is_told(keeper: Keeper) -> None:
    with pytest.raises(MissingError) as error:
        install(made(keeper))
    assert error.value.hint


def test_wsl_without_systemd_is_told_both_ways() -> None:
    steps = " ".join(made(Keeper.WSL_WITHOUT_SYSTEMD).steps)
    assert "systemd=true" in steps
    assert "wsl.exe -d Debian -u anna" in steps
    assert "vmIdleTimeout" in steps
