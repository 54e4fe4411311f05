"""netprobe on emulated links against iperf3 and ping run by hand on the same hosts."""

import json
import subprocess
import threading

import pytest

from netprobe.types import FailureKind
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.netprobe.conftest import eventually
from tests.netprobe.in_lab import (
    PYTHON,
    iperf3_bytes_per_s,
    link_home,
    ping_s,
    probe,
    served,
)

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _lab_possible():
    require_lab()


def about(seen: float, by_hand: float) -> bool:
    """The same figure, each taken on a machine that may have been busy just then.

    How near it is on a quiet one is a benchmark: `python -m benchmarks.netprobe`.
    """
    return by_hand / 2.5 <= seen <= by_hand * 2.5


@pytest.mark.parametrize(
    ("up_mbit", "down_mbit", "rtt_ms"), [(5, 20, 60), (20, 100, 20), (300, 100, 5), (900, 300, 0)]
)
def test_each_direction_agrees_with_iperf3_and_the_round_trip_with_ping(up_mbit, down_mbit, rtt_ms):
    with Lab(link_home(up_mbit, down_mbit, rtt_ms)) as lab, served(lab, "b"):
        report, _ = probe(lab, "a", "b")
        quick, _ = probe(lab, "a", "b", "--quick")
        forward = iperf3_bytes_per_s(lab, "a", "b", back=False, seconds=5)
        back = iperf3_bytes_per_s(lab, "a", "b", back=True, seconds=5)
        ping = ping_s(lab, "a", "b")
    assert about(report.throughput.forward_bytes_per_s, forward)
    assert about(report.throughput.back_bytes_per_s, back)
    assert about(quick.throughput.forward_bytes_per_s, forward)
    assert report.round_trip.p50_s == pytest.approx(ping, abs=0.015)
    assert report.mtu_bytes == 1500
    assert report.throughput.congestion_control == "cubic"


def test_the_exchange_of_a_small_message_costs_half_a_round_trip():
    with Lab(link_home(100, 100, 20)) as lab, served(lab, "b"):
        report, _ = probe(lab, "a", "b")
    small = next(point for point in report.exchange if point.size_bytes == 64)
    assert 0.0095 <= small.p50_s < 0.020


def test_a_full_queue_of_256_kib_at_20_mbit_is_seen():
    """256 KiB at 20 Mbit/s are 105 ms."""
    with Lab(link_home(20, 20, 20, queue_kib=256)) as lab, served(lab, "b"):
        report, _ = probe(lab, "a", "b")
    assert 0.05 < report.loaded_round_trip.forward.p50_s < 0.5
    assert 0.05 < report.loaded_round_trip.back.p50_s < 0.5
    assert report.loaded_round_trip.grade in {"C", "D", "F"}


def test_a_lossy_link_is_unsteady_or_right():
    with Lab("lossy", hosts=2) as lab, served(lab, "b"):
        report, _ = probe(lab, "a", "b")
        by_hand = iperf3_bytes_per_s(lab, "a", "b", back=False)
    near = report.throughput.forward_bytes_per_s == pytest.approx(by_hand, rel=0.6)
    assert near or not report.throughput.steady


def test_large_packets_that_vanish_are_a_blackhole_with_the_size_that_passes():
    with Lab("100mbe", hosts=2) as lab, served(lab, "b"):
        lab.link("b").blackhole(over_bytes=1400)
        report, code = probe(lab, "a", "b", "--quick")
    assert code == 1
    assert report.mtu_bytes == 1400
    assert FailureKind.BLACKHOLE in [one.kind for one in report.failures]


def test_a_link_cut_in_mid_probe_ends_in_time_and_leaves_nothing():
    with Lab("100mbe", hosts=2) as lab, served(lab, "b"):
        link = lab.link("b")
        threading.Timer(2.5, link.block).start()
        report, code = probe(lab, "a", "b")
        assert report.duration_s < 60
        assert code == 1
        assert {one.kind for one in report.failures} <= {
            *(FailureKind.TIMED_OUT, FailureKind.PEER_LOST, FailureKind.BLACKHOLE),
            *(FailureKind.NO_ROUTE, FailureKind.TOOL_FAILED),
        }
        assert report.round_trip is not None
        assert eventually(lambda: tools_and_ports(lab, "b") == (0, 2))


def tools_and_ports(lab, host):
    """(iperf3 processes, ports open to others) on a host; `serve` alone has loopback's and its address's."""
    tools = lab.host(host).run(["ps", "-C", "iperf3", "-o", "pid="]).stdout.split()
    return len(tools), len(lab.host(host).run(["ss", "-Hltun"]).stdout.splitlines())


def test_a_firewall_that_drops_is_a_time_out():
    with Lab("100mbe", hosts=2) as lab, served(lab, "b"):
        rule = "add table inet f; add chain inet f i { type filter hook input priority 0; policy drop; }"
        lab.host("b").run(["nft", "-f", "-"], input=rule, check=True)
        report, code = probe(lab, "a", "b", "--quick")
    assert code == 4
    assert [one.kind for one in report.failures] == [FailureKind.TIMED_OUT]
    assert report.duration_s < 30


def test_a_firewall_that_passes_only_the_control_port_is_told_for_each_probe():
    with Lab("100mbe", hosts=2) as lab, served(lab, "b"):
        rule = (
            "add table inet f; add chain inet f i { type filter hook input priority 0; policy drop; "
            "ct state established accept; tcp dport 17523 accept; }"
        )
        lab.host("b").run(["nft", "-f", "-"], input=rule, check=True)
        report, code = probe(lab, "a", "b", "--quick")
    assert code == 4
    assert {one.kind for one in report.failures} == {FailureKind.TIMED_OUT}
    assert report.duration_s < 60


def test_no_such_host_is_no_route_or_a_time_out():
    with Lab("100mbe", hosts=2) as lab:
        argv = [PYTHON, "-m", "netprobe", "run", "10.77.0.99", "--json", "--quick"]
        done = lab.host("a").run(argv, timeout=90)
    assert done.returncode == 4
    assert json.loads(done.stdout)["failures"][0]["kind"] in {"no_route", "timed_out"}


def test_from_behind_nat_both_directions_are_measured():
    with Lab("wsl-nat", hosts=2) as lab, served(lab, "a"):
        report, code = probe(lab, "b", "a")
    assert code == 0
    assert report.throughput.forward_bytes_per_s > 0
    assert report.throughput.back_bytes_per_s > 0
    assert report.throughput.tool.startswith("iperf3")


def matrix(lab, names, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{name} {lab.host(name).address}\n" for name in names))
    argv = [PYTHON, "-m", "netprobe", "matrix", "--hosts", str(hosts), "--json"]
    done = lab.host(names[0]).run(argv, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_four_hosts_on_a_switch_share_nothing(tmp_path):
    """A busy machine may hold two pairs up together for once: one of three matrices must say so."""
    with Lab("100mbe", hosts=4) as lab, served(lab, *"abcd"):
        for _ in range(3):
            found = matrix(lab, "abcd", tmp_path)
            if found["shared"] == []:
                break
    assert found["shared"] == []
    assert found["duration_s"] < 90
    assert len(found["reports"]) == 6
    for report in found["reports"]:
        for way in ("forward_bytes_per_s", "back_bytes_per_s"):
            assert 30 < report["throughput"][way] * 8 / 1e6 < 99


def test_pairs_of_a_hotspot_are_reported_at_their_full_rate_and_as_sharing(tmp_path):
    with Lab("hotspot", hosts=4) as lab, served(lab, *"abcd"):
        found = matrix(lab, "abcd", tmp_path)
    assert found["shared"]
    rates = [report["throughput"]["forward_bytes_per_s"] * 8 / 1e6 for report in found["reports"]]
    assert max(rates) > 20 * 0.75  # two at once would get 10 each


def test_stock_iperf3_is_served_by_our_one_off_server():
    """The port of a real measurement, taken by a stock client from the peer's address."""
    code = (
        "import asyncio, subprocess, sys\n"
        "from netprobe.runner.client import connected, measuring\n"
        "async def main():\n"
        "    async with connected(sys.argv[1], 17523, token=None) as c, measuring(c, 'iperf3', 5) as far:\n"
        "        p = await asyncio.create_subprocess_exec('iperf3', '-c', sys.argv[1], '-p', str(far.remote[1]), '-t', '1')\n"
        "        sys.exit(await p.wait())\n"
        "asyncio.run(main())\n"
    )
    with Lab("100mbe", hosts=3) as lab, served(lab, "b"):
        done = lab.host("a").run([PYTHON, "-c", code, lab.host("b").address], timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "receiver" in done.stdout


def test_a_stranger_cannot_reach_the_one_off_server_where_nft_may_fence_it():
    code = (
        "import asyncio, sys\n"
        "from netprobe.runner.client import connected, measuring\n"
        "async def main():\n"
        "    async with connected(sys.argv[1], 17523, token=None) as c, measuring(c, 'iperf3', 5) as far:\n"
        "        print(far.remote[1], flush=True)\n"
        "        await asyncio.sleep(15)\n"
        "asyncio.run(main())\n"
    )
    with Lab("100mbe", hosts=3) as lab, served(lab, "b"):
        address = lab.host("b").address
        caller = lab.host("a").popen(
            [PYTHON, "-c", code, address], stdout=subprocess.PIPE, text=True
        )
        assert caller.stdout is not None
        port = caller.stdout.readline().strip()
        try:
            argv = [
                "iperf3",
                "-J",
                "-c",
                address,
                "-p",
                port,
                "-t",
                "1",
                "--connect-timeout",
                "1500",
            ]
            seen = json.loads(lab.host("c").run(argv, timeout=60).stdout)
        finally:
            caller.terminate()
            caller.wait()
            caller.stdout.close()
        assert "timed out" in seen["error"]
        assert eventually(
            lambda: "netprobe" not in lab.host("b").run(["nft", "list", "tables"]).stdout
        )
