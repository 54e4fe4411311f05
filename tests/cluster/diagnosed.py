"""Emulated homes whose PCs run a cluster, to be harmed and diagnosed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from tests.cluster.lab_link_troubles import in_the_way, link
from tests.cluster.lab_pc_troubles import CLOCK, WSL_KERNEL
from tests.cluster.lab_site import Site, Trouble, nothing
from tests.cluster.lab_starts import STARTS
from tests.cluster.lab_troubles import LAYOUTS, MEASURING, PAIRS, TROUBLES
from tests.cluster.pcs import Pc
from tests.lab.homes import home_named
from tests.lab.lab import Lab
from tests.lab.plan import HomePlan

_TOOLS: Final = {
    "wslinfo": "#!/bin/sh\necho mirrored\n",
    "powershell.exe": "#!/bin/sh\necho 17179869184\n",
}
"""As on a PC of 16 GiB; looked at only by a PC that takes itself for WSL2."""


def guest_wifi() -> HomePlan:
    """A cabled coordinator and two PCs on a Wi-Fi that lets them talk, until told otherwise."""
    plan = home_named("isolated", 3)
    (segment,) = plan.segments
    open_air = replace(segment, client_isolation=False, multicast_dropped=False)
    return replace(plan, segments=(open_air,))


CLUSTERS: Final[Mapping[str, Callable[[], HomePlan]]] = MappingProxyType(
    {"half on Wi-Fi": lambda: home_named("mixed", 4), "guest Wi-Fi": guest_wifi}
)
"""b is on a cable in the first and on Wi-Fi in the second; both have two PCs on Wi-Fi."""
HEALTHY: Final = ("1gbe", "100mbe", "2.5gbe", "wifi5", "wifi6", "hotspot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One home, what is done to it, and the cause that must come first; None: healthy."""

    where: str
    plan: Callable[[], HomePlan]
    trouble: str
    expected: str | None
    harm: Trouble
    join: tuple[str, ...] = ()
    wsl: bool = False
    measures: bool = False
    """Its verdict rests on figures of links: to be made while nothing else runs."""
    heals: bool = False
    """Once undone, the home is as it was, and must be called healthy."""


def lab_cells() -> Iterator[Cell]:
    """Every trouble and pair in both clusters, homes that are a trouble by themselves, healthy homes of two sizes."""
    for home in HEALTHY:
        for hosts in (2, 3):
            yield Cell(
                where=f"{home}, {hosts} PCs", plan=_sized(home, hosts), trouble="none", expected=None, harm=link(), measures=True
            )  # fmt: skip
    for where, plan in CLUSTERS.items():
        for trouble, (expected, harm) in {**TROUBLES, **PAIRS}.items():
            measures = trouble in MEASURING
            yield Cell(
                where=where, plan=plan, trouble=trouble, expected=expected, harm=harm, measures=measures,
                heals=trouble not in MEASURING | LAYOUTS,
            )  # fmt: skip
        for trouble, (expected, harm) in STARTS.items():
            busy = expected == "busy-elsewhere"  # idle priority is none of the other programs
            yield Cell(
                where=where, plan=plan, trouble=trouble, expected=expected, harm=harm, measures=busy
            )
    for hosts in (2, 3):
        vpn, nat = _sized("vpn", hosts), _sized("wsl-nat", hosts)
        yield Cell(
            where=f"{hosts} PCs", plan=vpn, trouble="a VPN chosen at home", expected="wrong-interface",
            harm=nothing, join=("--interface", "tun0"),
        )  # fmt: skip
        yield Cell(
            where=f"{hosts} PCs, WSL", plan=nat, trouble="WSL behind NAT", expected="wsl-nat",
            harm=nothing, wsl=True,
        )  # fmt: skip
    for home in ("hotspot", "wifi5"):
        yield Cell(
            where=home, plan=_sized(home, 4), trouble="pairs in each other's way", expected="shared-medium", harm=in_the_way, measures=True
        )  # fmt: skip


def _sized(home: str, hosts: int) -> Callable[[], HomePlan]:
    return lambda: home_named(home, hosts)


@contextmanager
def site(plan: HomePlan, *join: str, wsl: bool = False) -> Iterator[Site]:
    """A cluster of all PCs of that home, without an engine, joined by typing."""
    with Lab(plan, cpu_cores={"b": 2.0}) as lab:
        pcs = {
            host.name: Pc(
                host=lab.host(host.name), env=_environment(lab, host.name, host.wsl and wsl)
            )
            for host in plan.hosts
            if host.masquerades is None
        }
        pcs["a"].create(*join)
        for name, pc in pcs.items():
            if name != "a":
                ran = pc.join(pcs["a"].token(), *join)
                assert ran.returncode == 0, ran.stderr
        yield Site(lab=lab, pcs=pcs)


def _environment(lab: Lab, name: str, is_wsl: bool) -> dict[str, str]:
    host = lab.host(name)
    if is_wsl:
        release = host.folder / "osrelease"
        release.write_text(WSL_KERNEL)
        host.run(["mount", "--bind", str(release), "/proc/sys/kernel/osrelease"], check=True)
    tools = host.folder / "bin"
    tools.mkdir()
    for tool, text in _TOOLS.items():
        (tools / tool).write_text(text.replace("mirrored", "nat") if is_wsl else text)
        (tools / tool).chmod(0o755)
    (tools / "sitecustomize.py").write_text(CLOCK)
    return {
        "HOMECLUSTER_ENGINES": str(host.folder / "engines"),
        "PATH": f"{tools}:{host.environment['PATH']}",
        "PYTHONPATH": str(tools),
        "CLOCK_OFFSET": str(host.folder / "clock-offset"),
    }
