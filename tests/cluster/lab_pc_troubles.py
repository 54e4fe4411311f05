"""Troubles of one PC: its processes, clock, memory, power and heat.

Batteries, memory, heat and WSL's marks are the kernel's files of that PC, hidden by ours.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.cluster.lab_site import Site
from tests.cluster.pcs import Pc
from tests.lab.guest import Host
from tests.waiting import within

WSL_KERNEL: Final = "5.15.167.4-microsoft-standard-WSL2\n"
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


def memory(total_gib: float, left_gib: float) -> str:
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
        over(site.harmed, "/proc/meminfo", {"": memory(16, 0.3)}),
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
        over(site.harmed, "/proc/meminfo", {"": memory(4, 0.2)}),
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
