"""A responder on each host of a lab, and runs of the command on them."""

import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from netprobe.report import parse_report
from tests.lab.homes import shape, switch_home
from tests.lab.survey import await_listener

PYTHON = sys.executable


def link_home(rate_up_mbit, rate_down_mbit, rtt_ms, *, queue_kib=512, loss_percent=0.0):
    """Two hosts on a switch: a sends at one rate and receives at the other, b is faster than both."""

    def one(rate_mbit, **more):
        return shape(rate_mbit=rate_mbit, rtt_ms=rtt_ms, **more)

    slow = {"queue_kib": queue_kib, "loss_percent": loss_percent}
    home = switch_home(2, one(None))
    gso = min(rate_up_mbit, rate_down_mbit) >= 200
    a, b = home.interfaces
    a = replace(a, up=one(rate_up_mbit, **slow), down=one(rate_down_mbit, **slow), gso=gso)
    return replace(home, interfaces=(a, replace(b, gso=gso)))


@contextmanager
def served(lab, *hosts, options=(), command=(PYTHON,)):
    """`netprobe serve` on these hosts, bound to their addresses; `command` starts Python."""
    with ExitStack() as stack:
        processes = [
            lab.host(name).popen(
                [*command, "-m", "netprobe", "serve", "--bind", lab.host(name).address, *options],
                stderr=subprocess.PIPE,
                text=True,
            )
            for name in hosts
        ]
        for process in processes:
            stack.callback(_stop, process)
        for process in processes:
            assert "serving" in process.stderr.readline()
        yield processes


def _stop(process):
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stderr.close()


def probe(lab, src, dst, *options):
    """(report, exit code) of `netprobe run` on src towards dst."""
    argv = [PYTHON, "-m", "netprobe", "run", lab.host(dst).address, "--json", *options]
    done = lab.host(src).run(argv, timeout=90)
    assert done.stdout, done.stderr
    return parse_report(json.loads(done.stdout)), done.returncode


def iperf3_bytes_per_s(lab, src, dst, *, back, seconds=10):
    """What a person sees who runs iperf3 by hand."""
    server = lab.host(dst).popen(
        ["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await_listener(lab, dst)
        argv = ["iperf3", "-c", lab.host(dst).address, "-J", "-t", str(seconds), *(["-R"] * back)]
        seen = json.loads(lab.host(src).run(argv, timeout=60).stdout)
        return seen["end"]["sum_received"]["bits_per_second"] / 8
    finally:
        server.terminate()
        server.wait()


def ping_s(lab, src, dst, count=40):
    """Median of `ping`."""
    out = lab.host(src).run(["ping", "-i", "0.02", "-c", str(count), lab.host(dst).address]).stdout
    times = sorted(
        float(line.split("time=")[1].split()[0]) for line in out.splitlines() if "time=" in line
    )
    return times[len(times) // 2] / 1000
