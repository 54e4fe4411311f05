"""Keeping the agent running: a systemd unit of this user, or what to do where there is no systemd."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from homecluster.errors import MissingError
from homecluster.inventory.host_files import ReadText, read_host_text
from homecluster.inventory.system import operating_system
from homecluster.store.files import write_private

UNIT: Final = "homecluster.service"
_INIT: Final = "/proc/1/comm"


class Keeper(StrEnum):
    """What starts the agent again after a restart of the PC."""

    SYSTEMD = "systemd"
    WSL_WITHOUT_SYSTEMD = "wsl-without-systemd"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How the agent is kept running on this PC."""

    keeper: Keeper
    unit: str | None
    """The text of the systemd unit; None without systemd."""
    file: Path | None
    """Where the unit belongs."""
    steps: tuple[str, ...]
    """To be typed in this order, after the unit is in its place."""


def keeper_here(read: ReadText = read_host_text, platform: str = sys.platform) -> Keeper:
    """By the first process of the system: systemd may be installed without running."""
    if (read(_INIT) or "").strip() == "systemd":
        return Keeper.SYSTEMD
    if operating_system(platform, read("/proc/sys/kernel/osrelease") or "") == "wsl2":
        return Keeper.WSL_WITHOUT_SYSTEMD
    return Keeper.NOTHING


def service(
    keeper: Keeper, *, python: str, home: Path, user: str, environment: Mapping[str, str]
) -> Service:
    """The unit and the steps for this keeper.

    Args:
        keeper: what there is.
        python: the interpreter that homecluster is installed for.
        home: where its state is, as `HOMECLUSTER_HOME`.
        user: whose agent it is.
        environment: of the user, for `XDG_CONFIG_HOME` and `WSL_DISTRO_NAME`.
    """
    if keeper is Keeper.SYSTEMD:
        folder = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        return Service(
            keeper=keeper,
            unit=unit_text(python, home),
            file=folder / "systemd" / "user" / UNIT,
            steps=(
                "systemctl --user daemon-reload",
                f"systemctl --user enable --now {UNIT}",
                f"loginctl enable-linger {user}   (it then runs also while nobody is logged in)",
            ),
        )
    if keeper is Keeper.WSL_WITHOUT_SYSTEMD:
        return Service(keeper=keeper, unit=None, file=None, steps=_wsl_steps(user, environment))
    steps = ("homecluster join   (after each start; `@reboot` in crontab does it)",)
    return Service(keeper=keeper, unit=None, file=None, steps=steps)


def unit_text(python: str, home: Path) -> str:
    """A unit whose restart leaves jobs alone: they end by their lease, not with the agent."""
    return f"""[Unit]
Description=homecluster agent
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={_quoted(python)} -m homecluster join --foreground
Environment={_quoted(f"HOMECLUSTER_HOME={home}")}
Restart=on-failure
RestartSec=5
KillMode=process
UMask=0077
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=default.target
"""


def install(found: Service) -> Path:
    """Write the unit to its place; the steps are the user's.

    Raises:
        MissingError: there is no systemd, or the file cannot be written.
    """
    if found.unit is None or found.file is None:
        raise MissingError("this PC does not run systemd", hint=found.steps[0])
    write_private(found.file, found.unit.encode())
    return found.file


def _wsl_steps(user: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    distribution = environment.get("WSL_DISTRO_NAME", "Ubuntu")
    agent = f"wsl.exe -d {distribution} -u {user} --exec homecluster join --foreground"
    return (
        "better: write in /etc/wsl.conf:  [boot]  systemd=true",
        "then in PowerShell: wsl --shutdown; and here again: homecluster service",
        f'or let Windows start it at logon, in PowerShell: schtasks /Create /SC ONLOGON /TN homecluster /TR "{agent}"',
        "its window keeps WSL from stopping when idle; else write in %UserProfile%\\.wslconfig:  [wsl2]  vmIdleTimeout=-1",
    )


def _quoted(text: str) -> str:
    """One word of a unit file: systemd takes quotes, backslashes, percents and dollars for its own."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
