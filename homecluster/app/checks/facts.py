"""What `doctor` looks at, as values; absent facts are None or empty and no check may fail over them."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import WslMode
from homecluster.domain.signs import InterfaceSigns, StaleProcess


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """One installed engine environment, told from its files."""

    name: str
    kind: str
    """cpu or cuda."""
    python_runs: bool
    """Its interpreter is there."""
    own_code_is_current: bool
    packages: tuple[tuple[str, str], ...] = ()
    """(distribution, version), lower case."""

    def version(self, package: str) -> str | None:
        return dict(self.packages).get(package)


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    name: str
    compute_capability: tuple[int, int] | None
    memory_total_bytes: int
    memory_free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WslFacts:
    """Of WSL2 only."""

    mode: WslMode
    config: str | None = None
    """Text of %UserProfile%\\.wslconfig; None where Windows' disk is not reachable."""
    windows_ram_bytes: int | None = None
    has_systemd: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallFacts:
    """Which firewall runs, and what it is known to let in."""

    name: str
    """ufw, firewalld, or windows."""
    is_active: bool
    open_ports: tuple[tuple[int, int], ...] | None = None
    """(first, last) of TCP port ranges that are let in; None where that needs root to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """This PC as it is."""

    python: tuple[int, int, int]
    os: str
    is_wsl1: bool = False
    machine: str = "x86_64"
    engines: tuple[EngineFacts, ...] = ()
    damaged_engines: tuple[str, ...] = ()
    gpus: tuple[GpuFacts, ...] = ()
    gpu_note: str | None = None
    """Why no GPU can be seen, where one might be."""
    driver: str | None = None
    cuda_driver: str | None = None
    wsl: WslFacts | None = None
    firewalls: tuple[FirewallFacts, ...] = ()
    ephemeral_ports: tuple[int, int] | None = None
    interfaces: tuple[InterfaceSigns, ...] = ()
    default_interface: str | None = None
    """The one of the default route."""
    host_name: str = ""
    host_name_address: str | None = None
    clock_is_synchronised: bool | None = None
    home_path: str = ""
    home_is_writable: bool = True
    home_mode: int | None = None
    disk_free_bytes: int | None = None
    """Where engines and models go."""
    ram_total_bytes: int = 0
    ram_available_bytes: int = 0
    shm_free_bytes: int | None = None
    iperf3: str | None = None
    taken_ports: tuple[tuple[int, str], ...] = ()
    """(port of ours, the program that holds it)."""
    stale: tuple[StaleProcess, ...] = ()
    proxies: tuple[str, ...] = ()
    """Names of proxy variables that are set without an exception for the home network."""
