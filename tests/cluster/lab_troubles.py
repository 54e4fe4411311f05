"""Troubles made in an emulated home whose PCs run homecluster: each does harm, and undoes it.

A trouble is a context manager over a site; it yields what is typed behind `diagnose`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tests.cluster.pcs import Pc
from tests.lab.guest import Host
from tests.lab.lab import Lab
from tests.netprobe.in_lab import served
from tests.waiting import within


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running cluster: a leads and asks, b is harmed."""

    lab: Lab
    pcs: Mapping[str, Pc]

    @property
    def asks(self) -> Pc:
        return self.pcs["a"]

    @property
    def harmed(self) -> Host:
        return self.pcs["b"].host


Trouble = Callable[[Site], AbstractContextManager[tuple[str, ...]]]

WSL_KERNEL: Final = "5.15.167.4-microsoft-standard-WSL2\n"
_NEW = "tcp flags & (fin|syn|rst|ack) == syn"
_STALE = """
import ctypes, os, socket, time
if os.fork():
    os._exit(0)
os.setsid()
ctypes.CDLL(None).prctl(15, b"VLLM::Engine", 0, 0, 0)
listening = socket.create_server(("127.0.0.1", 23456))
print(os.getpid(), flush=True)
time.sleep(600)
"""
_BURN = "while True: pass"
CLOCK: Final = """
import os, time
_true = time.time
def shifted():
    try:
        return _true() + float(open(os.environ["CLOCK_OFFSET"]).read())
    except (OSError, ValueError):
        return _true()
time.time = shifted
try:
    version = open(os.environ["CLOCK_OFFSET"] + "-version").read()
except (OSError, KeyError):
    version = ""
if version:
    import homecluster
    homecluster.__version__ = version
"""
"""A sitecustomize: this PC's Python believes a clock that a file sets wrong, and a version that a file names."""


@contextmanager
def nothing(_: Site) -> Iterator[tuple[str, ...]]:
    """A healthy home."""
    yield ()


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


@contextmanager
def wrong_clock(site: Site) -> Iterator[tuple[str, ...]]:
    offset = site.harmed.folder / "clock-offset"
    offset.write_text("-7200")
    try:
        yield ()
    finally:
        offset.unlink()


@contextmanager
def another_version(site: Site) -> Iterator[tuple[str, ...]]:
    """b's agent is started again as an older homecluster."""
    version = site.harmed.folder / "clock-offset-version"
    version.write_text("0.0.1")
    _start_again(site.pcs["b"])
    try:
        yield ()
    finally:
        version.unlink()
        _start_again(site.pcs["b"])


def _start_again(pc: Pc) -> None:
    """The coordinator hears the new agent: its old one is dead and gone before."""
    pc.kill_agent("TERM")
    within(30, lambda: not pc.has_agent())
    ran = pc.type("join")
    assert ran.returncode == 0, ran.stderr
    within(60, lambda: pc.health().get(pc.name) == "alive", pc.agent_log)


@contextmanager
def left_engine(site: Site) -> Iterator[tuple[str, ...]]:
    """A process with an engine's name that nobody owns listens on a port."""
    with site.harmed.popen(
        [sys.executable, "-S", "-E", "-c", _STALE], stdout=subprocess.PIPE, text=True
    ) as born:
        assert born.stdout is not None
        pid = born.stdout.readline().strip()
    try:
        yield ()
    finally:
        site.harmed.run(["kill", "-KILL", pid])


@contextmanager
def over(host: Host, target: str, files: Mapping[str, str]) -> Iterator[Path]:
    """A file or folder of the kernel's, hidden on that PC by ours; `files` with one name "" is a file."""
    mine = host.folder / target.strip("/").replace("/", "-")
    if "" in files:
        mine.write_text(files[""])
    for name, text in files.items():
        if name:
            (mine / name).parent.mkdir(parents=True, exist_ok=True)
            (mine / name).write_text(text)
    host.run(["mount", "--bind", str(mine), target], check=True)
    try:
        yield mine
    finally:
        host.run(["umount", "-l", target])


@contextmanager
def on_battery(site: Site) -> Iterator[tuple[str, ...]]:
    battery = {
        "BAT0/type": "Battery\n", "BAT0/status": "Discharging\n", "BAT0/present": "1\n", "BAT0/capacity": "40\n",
        "BAT0/energy_now": "20000000\n", "BAT0/energy_full": "50000000\n", "BAT0/power_now": "9000000\n",
        "AC/type": "Mains\n", "AC/online": "0\n",
    }  # fmt: skip
    with over(site.harmed, "/sys/class/power_supply", battery):
        yield ()


def _memory(total_gib: float, left_gib: float) -> str:
    rows = {
        "MemTotal": total_gib, "MemFree": left_gib / 2, "MemAvailable": left_gib, "Buffers": 0, "Cached": left_gib / 2,
        "SwapTotal": 4, "SwapFree": 1, "Active": total_gib / 2, "Inactive": 0, "Shmem": 0, "SReclaimable": 0,
    }  # fmt: skip
    return "".join(f"{name}: {round(gib * 1024**2)} kB\n" for name, gib in rows.items())


@contextmanager
def swapping(site: Site) -> Iterator[tuple[str, ...]]:
    """Little memory is left, and the kernel counts half of the time as waiting for it."""
    stalls = {"": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"}
    with (
        over(site.harmed, "/proc/meminfo", {"": _memory(16, 0.3)}),
        over(site.harmed, "/proc/pressure/memory", stalls) as file,
        growing(file, "some avg10=50.00 avg60=50.00 avg300=50.00 total={}\n"),
    ):
        yield ()


@contextmanager
def growing(file: Path, text: str) -> Iterator[None]:
    """A counter that rises by half of the time, in microseconds."""
    stop = threading.Event()

    def grow() -> None:
        total = 1_000_000
        with file.open("r+") as counter:
            while not stop.wait(0.05):
                total += 25_000
                counter.seek(0)  # never empty in between, for somebody may read it just then
                counter.write(text.format(total))
                counter.flush()

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def hot(site: Site) -> Iterator[tuple[str, ...]]:
    """The kernel counts thermal throttling, and the clock is at half of its most."""
    core = {
        "thermal_throttle/core_throttle_count": "1000000",
        "cpufreq/scaling_cur_freq": "1900000",
        "cpufreq/cpuinfo_max_freq": "3800000",
        "cpufreq/scaling_governor": "performance",
    }
    with (
        over(site.harmed, "/sys/devices/system/cpu/cpu0", core) as folder,
        growing(folder / "thermal_throttle/core_throttle_count", "{}"),
    ):
        yield ()


@contextmanager
def small_wsl(site: Site) -> Iterator[tuple[str, ...]]:
    """The PC takes itself for a WSL2 in mirrored mode with 4 of Windows' 16 GiB, nearly used up.

    Its `powershell.exe` and `wslinfo` are in the path that its agent was started with.
    """
    with (
        over(site.harmed, "/proc/sys/kernel/osrelease", {"": WSL_KERNEL}),
        over(site.harmed, "/proc/meminfo", {"": _memory(4, 0.2)}),
    ):
        yield ()


@contextmanager
def short_of_quota(site: Site) -> Iterator[tuple[str, ...]]:
    """A container's quota holds busy programs back."""
    site.lab.set_cpu_cores("b", 0.5)
    try:
        with site.harmed.running([sys.executable, "-c", _BURN]):
            yield ()
    finally:
        site.lab.set_cpu_cores("b", 2.0)


def link(**changes: float | str) -> Trouble:
    """b's link is like this, and `probe` measured it."""
    usual = ("rate_mbit", "delay_ms", "loss_percent", "queue_kib")

    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        plan = site.lab.plan.interface("b")
        one = site.lab.link("b")
        one.set(**changes)  # type: ignore[arg-type] # keywords of Link.set, by name
        try:
            probe(site)
            yield ()
        finally:
            for way in ("up", "down"):
                old = getattr(plan, way)
                mbit = (old.rate_bytes_per_s or 125e6) * 8 / 1e6
                values = (mbit, old.delay_s * 1e3, old.loss_ratio * 100, old.queue_bytes / 1024)
                one.set(direction=way, **dict(zip(usual, values, strict=True)))
            forget(site)

    return harm


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


def planned(*arguments: str) -> Trouble:
    """A layout that does not suit, judged on the live cluster with its measured links.

    Both PCs have the same memory on every machine that runs this.
    """
    memory = {"": _memory(24, 20)}

    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        if not any(site.asks.state.glob("links/*.json")):
            probe(site, "--quick")
        a, b = site.asks.host, site.harmed
        with over(a, "/proc/meminfo", memory), over(b, "/proc/meminfo", memory):
            yield ("--nodes", "a,b", *arguments)

    return harm


def both(one: Trouble, other: Trouble) -> Trouble:
    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        with one(site) as first, other(site) as second:
            yield (*first, *second)

    return harm


def probe(site: Site, *more: str) -> None:
    ran = site.asks.type("probe", "--between", "a", "b", *more, "--json", timeout_s=240)
    assert ran.stdout, ran.stderr


def forget(site: Site) -> None:
    """What was measured under harm says nothing of the next cell."""
    for pattern in ("links/*.json", "link-watch.log*"):
        for file in site.asks.state.glob(pattern):
            file.unlink()


def causes(site: Site, arguments: tuple[str, ...]) -> list[str]:
    ran = site.asks.type("diagnose", "--seconds", "2", *arguments, "--json", timeout_s=120)
    assert ran.stdout, ran.stderr
    return [str(cause["id"]) for cause in json.loads(ran.stdout)["causes"]]


_PIPE = ("--tensor-parallel", "1", "--pipeline-parallel", "2", "--replicas", "1")
_TENSOR = ("--tensor-parallel", "2", "--pipeline-parallel", "1", "--replicas", "1")
_LONG = ("--prompt-tokens", "1000", "--output-tokens", "4", "--concurrency", "8")
NO_MULTICAST = nft("output", "ip daddr 224.0.0.0/4")
ONE_WAY = nft("input", _NEW, "b")
LOSS = link(loss_percent=3)
TROUBLES: Final[Mapping[str, tuple[str, Trouble]]] = MappingProxyType(
    {
        "clients kept apart": ("client-isolation", isolated),
        "multicast dropped": ("multicast-dropped", NO_MULTICAST),
        "a firewall on one PC": ("firewall-drop", ONE_WAY),
        "a firewall on two PCs": ("firewall-drop", nft("input", _NEW, "b", "c")),
        "a PC asleep": ("member-gone", asleep),
        "a wrong clock": ("clock-skew", wrong_clock),
        "an old engine": ("stale-processes", left_engine),
        "on battery": ("power-saving", on_battery),
        "swapping": ("memory-pressure", swapping),
        "WSL's share of memory": ("wsl-memory-cap", small_wsl),
        "a container's quota": ("cpu-quota", short_of_quota),
        "heat": ("throttled", hot),
        "another homecluster": ("mixed-versions", another_version),
        "loss": ("packet-loss", LOSS),
        "a thin uplink": ("asymmetric-uplink", link(direction="up", rate_mbit=3)),
        "a full queue": ("bufferbloat", link(rate_mbit=20, queue_kib=1024)),
        "large packets vanish": ("mtu-blackhole", blackhole),
        "a link that got worse": ("link-got-worse", got_worse),
        "tensor parallel over a link": ("latency-bound-tensor-parallel", planned("--model", "gpt2", *_TENSOR)),
        "long prompts over a thin link": ("thin-link", both(link(rate_mbit=20), planned("--model", "gpt2", *_TENSOR, *_LONG))),
        "a pipeline nobody needs": ("distributing-does-not-pay", planned("--model", "llama-2-7b", *_PIPE, "--concurrency", "8")),
        "a lopsided cut": ("uneven-split", planned("--model", "llama-2-13b", *_PIPE, "--concurrency", "8", "--prompt-tokens", "64", "--output-tokens", "64", "--partition", "26,14")),
        "one request for two stages": ("too-little-concurrency", planned("--model", "llama-2-13b", *_PIPE, "--goal", "throughput")),
        "a model too large": ("cannot-run", planned("--model", "llama-2-70b", *_PIPE)),
        "more requests than cache": ("kv-cache-too-small", planned("--model", "llama-2-13b", *_PIPE, "--concurrency", "400")),
    }
)  # fmt: skip
PAIRS: Final[Mapping[str, tuple[str, Trouble]]] = MappingProxyType(
    {
        "a firewall, swapping": ("firewall-drop", both(ONE_WAY, swapping)),
        "an old engine, on battery": ("stale-processes", both(left_engine, on_battery)),
        "a wrong clock, multicast dropped": ("clock-skew", both(wrong_clock, NO_MULTICAST)),
        "loss, multicast dropped": ("packet-loss", both(LOSS, NO_MULTICAST)),
        "clients kept apart, on battery": ("client-isolation", both(isolated, on_battery)),
        "a wrong clock, a container's quota": ("clock-skew", both(wrong_clock, short_of_quota)),
    }
)
MEASURING: Final = frozenset(
    {
        "loss",
        "a thin uplink",
        "a full queue",
        "large packets vanish",
        "a link that got worse",
        "loss, multicast dropped",
        "tensor parallel over a link",
        "long prompts over a thin link",
    }
)
"""Troubles that are told by the figures of a link."""
LAYOUTS: Final = frozenset(
    {
        "a pipeline nobody needs",
        "a lopsided cut",
        "one request for two stages",
        "a model too large",
        "more requests than cache",
    }
)
"""Troubles of a plan: nothing is done to the home, so nothing heals."""
