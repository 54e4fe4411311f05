"""What two hosts of a home see between them, by the peers' own tools: ping and iperf3.

`python -m tests.lab.survey [HOME …]` prints the table of docs/contributing-lab.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from tests.lab.control import LabError
from tests.lab.homes import HOMES
from tests.lab.lab import Lab

_LISTEN_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundTrips:
    """Of the pings that came back. ping rounds each to 3 digits, its least to microseconds."""

    seconds: tuple[float, ...]
    least_s: float

    @property
    def p50_s(self) -> float:
        return median(self.seconds)


def ping(lab: Lab, source: str, target: str, *, count: int = 40, gap_s: float = 0.02) -> RoundTrips:
    """Round trips on a warmed link (the first ping also asks for the hardware address).

    Raises:
        LabError: none came back.
    """
    address = lab.host(target).address
    command = ["ping", "-c", str(count + 1), "-i", str(gap_s), "-W", "2", address]
    done = lab.host(source).run(command)
    times = [float(each) / 1000 for each in re.findall(r"time=([\d.]+) ms", done.stdout)]
    if len(times) < 2:
        raise LabError(f"{target} does not answer {source}: {done.stdout}{done.stderr}")
    least = re.search(r"min/avg/max/mdev = ([\d.]+)/", done.stdout)
    assert least is not None
    return RoundTrips(seconds=tuple(times[1:]), least_s=float(least[1]) / 1000)


def tcp_mbit(lab: Lab, source: str, target: str, *, seconds: float = 4.0) -> float:
    """Mbit/s received by iperf3 from source to target, one stream, the first second left out.

    Raises:
        LabError: iperf3 says what.
    """
    with lab.host(target).running(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL):
        await_listener(lab, target)
        address = lab.host(target).address
        command = ["iperf3", "-c", address, "-O", "1", "-t", str(seconds), "--json"]
        result = json.loads(lab.host(source).run(command, timeout=seconds + 20).stdout)
    if "error" in result:
        raise LabError(f"iperf3: {result['error']}")
    return float(result["end"]["sum_received"]["bits_per_second"]) / 1e6


def await_listener(lab: Lab, host: str) -> None:
    """Return once iperf3 listens there.

    Raises:
        LabError: it does not.
    """
    deadline_s = time.monotonic() + _LISTEN_PATIENCE_S
    while ":5201 " not in lab.host(host).run(["ss", "-ltn"]).stdout:
        if time.monotonic() > deadline_s:
            raise LabError(f"iperf3 does not listen on {host}")
        time.sleep(0.05)


def main() -> None:
    """Print one row per home: a to b both ways, in a home of three hosts."""
    sys.stdout.write(
        "| home | RTT p50 (min-max) ms | a to b Mbit/s | b to a Mbit/s |\n|---|---|---|---|\n"
    )
    for name in sys.argv[1:] or HOMES:
        with Lab(name, hosts=3) as lab:
            trips = ping(lab, "b", "a").seconds
            there, back = (_rate_or_reason(lab, *pair) for pair in (("a", "b"), ("b", "a")))
            low, mid, high = (each * 1000 for each in (min(trips), median(trips), max(trips)))
            sys.stdout.write(f"| {name} | {mid:.2f} ({low:.2f}-{high:.2f}) | {there} | {back} |\n")
            sys.stdout.flush()


def _rate_or_reason(lab: Lab, source: str, target: str) -> str:
    try:
        return f"{tcp_mbit(lab, source, target):.1f}"
    except LabError as error:
        return str(error)[:50]


if __name__ == "__main__":
    main()
