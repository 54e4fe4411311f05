"""This PC -> Facts; every reading may fail by itself and then says nothing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

import psutil

from homecluster.app.checks.facts import EngineFacts, Facts, FirewallFacts, GpuFacts, WslFacts
from homecluster.app.checks.network import CLUSTER_PORT, PROBE_PORT
from homecluster.app.jobs import jobs_over
from homecluster.app.own_interfaces import own_interfaces
from homecluster.errors import HomeclusterError
from homecluster.inventory.host_files import read_host_text
from homecluster.inventory.nvidia import read_gpus
from homecluster.inventory.own_name import own_name_address
from homecluster.inventory.software import own_versions
from homecluster.inventory.system import read_system
from homecluster.inventory.windows_memory import read_windows_ram_bytes
from homecluster.inventory.wsl import read_mode
from homecluster.launch.left_engines import left_engines
from homecluster.store.engine_store import Engine, engines_in, partials
from homecluster.store.own_wheel import own_code
from homecluster.store.paths import Paths

_TOOL_S: Final = 8.0
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_OWN_PROGRAMS: Final = ("homecluster", "netprobe", "python")
_POWERSHELL: Final = "powershell.exe"


def read_facts(paths: Paths, environment: Mapping[str, str]) -> Facts:
    """Everything the checks look at; takes a second or two, most of it Windows' on WSL."""
    system, gpus = read_system(), read_gpus()
    name, address = own_name_address()
    whole, damaged = _engines(paths)
    return Facts(
        python=sys.version_info[:3],
        os=system.os,
        is_wsl1=_is_wsl1(),
        machine=platform.machine(),
        engines=whole,
        damaged_engines=damaged,
        gpus=tuple(
            GpuFacts(
                name=card.name,
                compute_capability=card.compute_capability,
                memory_total_bytes=card.memory_total_bytes,
                memory_free_bytes=card.memory_free_bytes,
            )
            for card in gpus.gpus
        ),
        gpu_note=gpus.note,
        driver=gpus.driver,
        cuda_driver=gpus.cuda_driver,
        wsl=_wsl() if system.os == "wsl2" else None,
        firewalls=_firewalls(),
        ephemeral_ports=parse_port_range(
            read_host_text("/proc/sys/net/ipv4/ip_local_port_range") or ""
        ),
        interfaces=tuple(one for one in own_interfaces(None) if one.kind != "loopback"),
        default_interface=default_interface(read_host_text("/proc/net/route") or ""),
        host_name=name,
        host_name_address=address,
        clock_is_synchronised=parse_synchronised(
            _said("timedatectl", "show", "--property=NTPSynchronized") or ""
        ),
        home_path=str(paths.home),
        home_is_writable=_writable(paths.home),
        home_mode=paths.home.stat().st_mode if paths.home.is_dir() else None,
        disk_free_bytes=_free_bytes(paths.engines),
        ram_total_bytes=system.ram_total_bytes,
        ram_available_bytes=system.ram_available_bytes,
        shm_free_bytes=_free_bytes(Path("/dev/shm")),  # noqa: S108 - asked for its size only
        iperf3=dict(own_versions()).get("iperf3"),
        taken_ports=_taken_ports(),
        stale=left_engines(jobs_over(paths.jobs)),
        proxies=proxies_set(environment),
    )


def parse_port_range(text: str) -> tuple[int, int] | None:
    """(first, last) of ip_local_port_range."""
    words = text.split()
    if len(words) == 2 and all(word.isdigit() for word in words):  # noqa: PLR2004 - first and last
        return int(words[0]), int(words[1])
    return None


def parse_synchronised(text: str) -> bool | None:
    """Of `timedatectl show --property=NTPSynchronized`; None where there is no systemd."""
    answers = {"NTPSynchronized=yes": True, "NTPSynchronized=no": False}
    return answers.get(text.strip())


def parse_ufw(text: str) -> bool:
    """Whether /etc/ufw/ufw.conf starts the firewall."""
    return any(line.strip().lower() == "enabled=yes" for line in text.splitlines())


def default_interface(route_table: str) -> str | None:
    """The interface of the default route in /proc/net/route with the least metric."""
    found: list[tuple[int, str]] = []
    for line in route_table.splitlines()[1:]:
        words = line.split()
        if len(words) > 6 and words[1] == "00000000" and words[6].isdigit():  # noqa: PLR2004 - interface, destination, … metric
            found.append((int(words[6]), words[0]))
    return min(found)[1] if found else None


def proxies_set(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Proxy variables without an exception for private networks."""
    lower = {name.lower(): value for name, value in environment.items()}
    spared = lower.get("no_proxy", "")
    if spared == "*" or any(net in spared for net in ("192.168", "10.", "172.")):
        return ()
    return tuple(name for name in _PROXIES if lower.get(name))


def _engines(paths: Paths) -> tuple[tuple[EngineFacts, ...], tuple[str, ...]]:
    try:
        whole = engines_in(paths.engines)
        current = own_code().sha256
    except (HomeclusterError, OSError, TypeError, ValueError) as error:
        return (), (f"its manifest cannot be read ({error})",)
    left = tuple(path.name for path in partials(paths.engines))
    return tuple(_engine(one, current) for one in whole), left


def _engine(one: Engine, current: str) -> EngineFacts:
    folders = [str(path) for path in one.path.glob("lib/python3*/site-packages")]
    packages = tuple(
        (found.name.lower().replace("_", "-"), found.version)
        for found in distributions(path=folders)
        if found.name
    )
    return EngineFacts(
        name=one.name,
        kind=one.manifest.kind.value,
        python_runs=one.python.exists(),
        own_code_is_current=one.manifest.own_code_sha256 == current,
        packages=packages,
    )


def _wsl() -> WslFacts:
    profile = _said(_POWERSHELL, "-NoProfile", "-Command", "$env:USERPROFILE")
    return WslFacts(
        mode=read_mode(),
        config=_windows_text(profile, ".wslconfig"),
        windows_ram_bytes=read_windows_ram_bytes(),
        has_systemd=Path("/run/systemd/system").is_dir(),
    )


def _windows_text(folder: str | None, name: str) -> str | None:
    """A small text file of Windows, whose disk C: is /mnt/c unless wsl.conf says otherwise."""
    path = linux_path(folder or "")
    return None if path is None else read_host_text(f"{path}/{name}")


def linux_path(windows: str) -> str | None:
    drive, colon, rest = windows.strip().partition(":")
    if not colon or len(drive) != 1:
        return None
    return f"/mnt/{drive.lower()}{rest.replace(chr(92), '/')}"


def _firewalls() -> tuple[FirewallFacts, ...]:
    found = []
    ufw = read_host_text("/etc/ufw/ufw.conf")
    if ufw is not None:
        found.append(FirewallFacts(name="ufw", is_active=parse_ufw(ufw)))
    if shutil.which("firewall-cmd"):
        running = (_said("firewall-cmd", "--state") or "").strip() == "running"
        found.append(FirewallFacts(name="firewalld", is_active=running))
    return tuple(found)


def _taken_ports() -> tuple[tuple[int, str], ...]:
    """Our documented ports where another program listens."""
    taken = []
    try:
        sockets = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return ()
    for one in sockets:
        port = one.laddr[1] if one.laddr else None
        if one.status != psutil.CONN_LISTEN or port not in (CLUSTER_PORT, PROBE_PORT):
            continue
        program = _program(one.pid)
        if not program.startswith(_OWN_PROGRAMS):
            taken.append((port, program))
    return tuple(sorted(set(taken)))


def _program(pid: int | None) -> str:
    try:
        return psutil.Process(pid).name() if pid else "another user's program"
    except psutil.Error:
        return "a program that ended meanwhile"


def _is_wsl1() -> bool:
    release = platform.release().lower()
    return "microsoft" in release and release.startswith("4.4.")


def _writable(folder: Path) -> bool:
    """Of a folder that need not be there yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _free_bytes(folder: Path) -> int | None:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _said(*argv: str) -> str | None:
    """What a tool printed; None where it is missing, hangs or fails."""
    if shutil.which(argv[0]) is None:
        return None
    try:
        done = subprocess.run(argv, capture_output=True, timeout=_TOOL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
