"""Troubles of links and of what stands in their way: firewalls, access points, shared air, sleep."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from tests.cluster.lab_pc_troubles import over
from tests.cluster.lab_site import Site, Trouble, forget, probe
from tests.lab.lab import Lab
from tests.lab.link import Direction
from tests.lab.pipe import Shape
from tests.lab.plan import BYTES_PER_S_PER_MBIT
from tests.netprobe.in_lab import served
from tests.waiting import within

NEW_CONNECTION: Final = "tcp flags & (fin|syn|rst|ack) == syn"
_UNPACED_BYTES_PER_S: Final = 125e6


def nft(chain: str, rule: str, *names: str) -> Trouble:
    """These PCs (none named: all but a) drop what the rule says."""
    lines = (
        "add table inet trouble",
        f"add chain inet trouble t {{ type filter hook {chain} priority 0; policy accept; }}",
        'add rule inet trouble t iifname "lo" accept',
        "add rule inet trouble t ct state established,related accept",
        f"add rule inet trouble t {rule} drop",
    )

    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        hosts = [site.pcs[name].host for name in names or tuple(site.pcs)[1:]]
        for host in hosts:
            host.run(["nft", "-f", "-"], input="\n".join(lines), check=True)
        try:
            yield ()
        finally:
            for host in hosts:
                host.run(["nft", "delete", "table", "inet", "trouble"])

    return harm


@contextmanager
def isolated(site: Site) -> Iterator[tuple[str, ...]]:
    site.lab.set_access_point(client_isolation=True)
    for pc in site.pcs.values():
        pc.host.run(["ip", "neigh", "flush", "all"])
    try:
        yield ()
    finally:
        site.lab.set_access_point(client_isolation=False)


@contextmanager
def asleep(site: Site) -> Iterator[tuple[str, ...]]:
    """Until the coordinator misses it."""
    site.lab.link("b").block()
    try:
        within(60, lambda: site.asks.health().get("b") in ("suspect", "dead"))
        yield ()
    finally:
        site.lab.link("b").unblock()
        within(90, lambda: site.asks.health().get("b") == "alive")


def link(
    *,
    host: str = "b",
    direction: Direction = "both",
    rate_mbit: float | None = None,
    delay_ms: float | None = None,
    loss_percent: float | None = None,
    queue_kib: float | None = None,
    wakes_ms: float | None = None,
) -> Trouble:
    """That PC's link is like this where a figure is given, and `probe` measured it."""

    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        site.lab.link(host).set(
            direction=direction,
            rate_mbit=rate_mbit,
            delay_ms=delay_ms,
            loss_percent=loss_percent,
            queue_kib=queue_kib,
            wakes_ms=wakes_ms,
        )
        try:
            probe(site, with_=host)
            yield ()
        finally:
            _as_planned(site.lab, host)
            forget(site)

    return harm


def _as_planned(lab: Lab, host: str) -> None:
    plan = lab.plan.interface(host)
    ways: tuple[tuple[Direction, Shape], ...] = (("up", plan.up), ("down", plan.down))
    for direction, old in ways:
        lab.link(host).set(
            direction=direction,
            rate_mbit=(old.rate_bytes_per_s or _UNPACED_BYTES_PER_S) / BYTES_PER_S_PER_MBIT,
            delay_ms=old.delay_s * 1e3,
            loss_percent=old.loss_ratio * 100,
            queue_kib=old.queue_bytes / 1024,
            wakes_ms=old.wakes_s * 1e3,
        )


@contextmanager
def listed_as_wireless(site: Site) -> Iterator[tuple[str, ...]]:
    """c's emulated radio is what the system calls one; an adapter on a cable does not sleep."""
    uevent = {"": "DEVTYPE=wlan\nINTERFACE=wlan0\n"}
    with over(site.pcs["c"].host, "/sys/class/net/wlan0/uevent", uevent):
        yield ()


@contextmanager
def blackhole(site: Site) -> Iterator[tuple[str, ...]]:
    """Full packets vanish, as behind a VPN without its ICMP."""
    site.lab.link("b").blackhole(over_bytes=1400)
    try:
        probe(site)
        yield ()
    finally:
        site.lab.link("b").blackhole(over_bytes=None)
        forget(site)


@contextmanager
def got_worse(site: Site) -> Iterator[tuple[str, ...]]:
    """Measured often while it was well, and since it is not."""
    for _ in range(6):
        probe(site, "--quick")
    with link(delay_ms=10)(site):
        for _ in range(3):
            probe(site, "--quick")
        yield ()


@contextmanager
def in_the_way(site: Site) -> Iterator[tuple[str, ...]]:
    """Two pairs on one radio, as `netprobe matrix` on a measures them."""
    home = site.asks.host.home
    lines = (f"{name} {pc.host.address}" for name, pc in site.pcs.items())
    (home / "hosts").write_text("\n".join(lines))
    argv = [sys.executable, "-m", "netprobe", "matrix", "--hosts", str(home / "hosts"), "--json"]
    with served(site.lab, *site.pcs):
        ran = site.asks.host.run(argv, timeout=240)
    (home / "matrix.json").write_text(ran.stdout)
    yield (str(home / "matrix.json"),)
