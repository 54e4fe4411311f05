"""Links that fail, networks that hold back, changes while the lab runs."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.lab.control import LabError
from tests.lab.guest import ROOT
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures("_lab_possible")]

LISTEN = """
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 5353))
group = socket.inet_aton("224.0.0.251") + socket.inet_aton(sys.argv[1])
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
s.settimeout(float(sys.argv[2]))
print("ready", flush=True)
try:
    print(s.recv(99).decode())
except TimeoutError:
    print("silence")
"""
SHOUT = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
s.sendto(b"hello", ("224.0.0.251", 5353))
"""
GREET = """
import socket, sys
s = socket.create_server(("", 7000))
print("ready", flush=True)
peer, address = s.accept()
print(address[0])
"""


@pytest.fixture
def pair() -> Iterator[Lab]:
    """Two fresh hosts that already know each other's hardware address."""
    with Lab("100mbe", hosts=2) as lab:
        assert pings(lab, "a", "b")
        yield lab


def pings(lab: Lab, source: str, target: str, *options: str) -> bool:
    address = lab.host(target).address
    done = lab.host(source).run(["ping", "-c2", "-i0.1", "-W2", *options, address])
    return done.returncode == 0


def round_trip_ms(lab: Lab, source: str, target: str) -> float:
    address = lab.host(target).address
    done = lab.host(source).run(["ping", "-q", "-c10", "-i0.05", address], check=True)
    found = re.search(r"= ([\d.]+)/", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def carrier(lab: Lab, host: str) -> str:
    return lab.host(host).run(["cat", "/sys/class/net/eth0/carrier"]).stdout.strip()


def has_carrier(lab: Lab, host: str, state: str) -> bool:
    return carrier(lab, host) == state


def test_an_unplugged_host_sees_no_carrier_and_comes_back(pair: Lab) -> None:
    assert carrier(pair, "a") == "1"
    pair.link("a").down()
    assert carrier(pair, "a") == "0"
    assert carrier(pair, "b") == "1"
    assert not pings(pair, "b", "a")
    pair.link("a").up()
    assert pings(pair, "b", "a")


def test_a_flapping_link_comes_and_goes(pair: Lab) -> None:
    pair.link("a").flap(up_s=0.2, down_s=0.2)
    for state in "0101":
        within(5, partial(has_carrier, pair, "a", state))
    pair.link("a").up()
    time.sleep(0.5)
    assert carrier(pair, "a") == "1"


def test_a_one_way_link_lets_requests_out_and_no_answer_in(pair: Lab) -> None:
    before = pair.counters()
    pair.link("a").block("down")
    assert not pings(pair, "a", "b")
    after = pair.counters()
    assert carrier(pair, "a") == "1"
    sent = after["a:eth0"]["up"]["delivered_bytes"] - before["a:eth0"]["up"]["delivered_bytes"]
    assert sent >= 2 * 98
    assert after["a:eth0"]["down"]["dropped"]["blocked"] >= 2 * 98
    pair.link("a").unblock()
    assert pings(pair, "a", "b")


def test_a_black_hole_swallows_large_packets_and_says_nothing(pair: Lab) -> None:
    pair.link("b").blackhole(over_bytes=1400)
    assert pings(pair, "a", "b", "-Mdo", "-s1372")  # + 28 bytes of headers
    assert not pings(pair, "a", "b", "-Mdo", "-s1373")
    pair.link("b").blackhole(over_bytes=None)
    assert pings(pair, "a", "b", "-Mdo", "-s1472")


def test_tcp_data_vanishes_in_a_black_hole_with_segmentation_offload_too() -> None:
    with Lab("1gbe", hosts=2) as lab:
        lab.link("b").blackhole(over_bytes=1400)
        with lab.host("b").running(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL):
            time.sleep(0.3)
            lab.host("a").run(["iperf3", "-c", lab.host("b").address, "-t1"], timeout=30)
        down = lab.counters()["b:eth0"]["down"]
        assert down["dropped"]["size"] > 0
        assert down["delivered_bytes"] < 100_000


def test_a_delay_changes_while_the_lab_runs(pair: Lab) -> None:
    """One way, on a's link: 30 ms up and 10 ms down add 40 ms to 0.4 ms."""
    pair.link("a").set(direction="up", delay_ms=30)
    pair.link("a").set(direction="down", delay_ms=10)
    assert 40 <= round_trip_ms(pair, "b", "a") < 60


def test_a_change_from_another_terminal_reaches_the_link(pair: Lab) -> None:
    argv = [sys.executable, "-m", "tests.lab", "change", "a", "--delay-ms", "20"]
    subprocess.run([*argv, "--lab", str(pair.folder)], check=True, cwd=ROOT)
    assert 40 <= round_trip_ms(pair, "a", "b") < 60


def test_a_senseless_change_is_refused_and_changes_nothing(pair: Lab) -> None:
    with pytest.raises(LabError, match="delay"):
        pair.link("a").set(delay_ms=-1)
    with pytest.raises(LabError, match="rate"):
        pair.link("a").set(rate_mbit=0)
    assert pings(pair, "a", "b")


def test_all_packets_are_lost_when_loss_is_total_and_counted(pair: Lab) -> None:
    pair.link("a").set(direction="up", loss_percent=100)
    assert not pings(pair, "a", "b")
    assert pair.counters()["a:eth0"]["up"]["dropped"]["loss"] > 0


def hears(lab: Lab, listener: str, speaker: str, *, patience_s: float = 20.0) -> bool:
    """Whether a multicast to mDNS's group gets from one to the other."""
    command = [sys.executable, "-c", LISTEN, lab.host(listener).address, str(patience_s)]
    with lab.host(listener).running(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        lab.host(speaker).run([sys.executable, "-c", SHOUT, lab.host(speaker).address], check=True)
        return process.stdout.read() == "hello\n"


def test_multicast_passes_until_the_access_point_drops_it() -> None:
    with Lab("wifi5", hosts=2) as lab:
        assert hears(lab, "a", "b")
        lab.set_access_point(multicast_dropped=True)
        assert not hears(lab, "a", "b", patience_s=2.0)
        assert pings(lab, "a", "b")


def test_isolated_stations_reach_the_wired_host_and_not_each_other() -> None:
    with Lab("isolated", hosts=3) as lab:
        assert pings(lab, "b", "a")
        assert pings(lab, "a", "c")
        assert not pings(lab, "b", "c")
        assert not hears(lab, "a", "b", patience_s=2.0)
        lab.set_access_point(client_isolation=False)
        assert pings(lab, "b", "c")


def test_a_host_behind_wsl_nat_dials_out_under_its_windows_address() -> None:
    with Lab("wsl-nat", hosts=2) as lab:
        command = [sys.executable, "-c", GREET]
        with lab.host("a").running(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            dial = f"import socket; socket.create_connection(('{lab.host('a').address}', 7000))"
            lab.host("b").run([sys.executable, "-c", dial], check=True)
            assert server.stdout.readline().strip() == lab.host("b-windows").address
        assert lab.host("b").address == "172.20.0.2"


def test_nobody_outside_reaches_a_host_behind_wsl_nat_but_its_windows_does() -> None:
    with Lab("wsl-nat", hosts=2) as lab:
        assert not pings(lab, "a", "b")
        assert pings(lab, "b-windows", "b")
        assert pings(lab, "b", "b-windows")
        route = ["ip", "route", "add", "172.20.0.0/20", "via", lab.host("b-windows").address]
        lab.host("a").run(route, check=True)
        assert not pings(lab, "a", "b")  # the forward chain drops what was not asked for


def test_multicast_does_not_cross_wsl_nat() -> None:
    with Lab("wsl-nat", hosts=2) as lab:
        assert hears(lab, "b-windows", "a")
        assert not hears(lab, "b", "a")


def test_the_vpn_is_the_first_interface_and_a_bad_way_to_the_same_host() -> None:
    with Lab("vpn", hosts=2) as lab:
        shown = lab.host("a").run(["ip", "-br", "link"], check=True).stdout.split("\n")
        names = [line.split()[0] for line in shown if line]
        assert names == ["lo", "tun0", "eth0"]
        kind = lab.host("a").run(["cat", "/sys/class/net/tun0/type"]).stdout.strip()
        assert kind == "65534"  # ARPHRD_NONE: no hardware address
        tunnel = lab.host("a").run(["ping", "-q", "-c10", "-i0.05", "10.8.0.3"], check=True)
        found = re.search(r"= ([\d.]+)/", tunnel.stdout)
        assert found is not None
        assert 40 <= float(found[1]) <= 81
        assert round_trip_ms(lab, "a", "b") < 5


def test_large_packets_pass_the_vpn_in_pieces_of_its_own_mtu() -> None:
    with Lab("vpn", hosts=2) as lab:
        assert lab.host("a").run(["ping", "-c2", "-Mdo", "-s1372", "10.8.0.3"]).returncode == 0
        too_large = lab.host("a").run(["ping", "-c1", "-Mdo", "-s1373", "10.8.0.3"])
        assert "message too long" in too_large.stderr.lower() + too_large.stdout.lower()
