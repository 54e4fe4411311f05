"""The named homes as data."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.cgroup import find_cpu_controller
from tests.lab.homes import HOMES, air_mbit, home_named, line_mbit
from tests.lab.plan import BYTES_PER_S_PER_MBIT, home_from_json

PROMISED = {
    "1gbe", "wifi5", "wifi6", "hotspot", "100mbe", "2.5gbe", "10gbe", "thunderbolt",
    "mixed", "wsl-nat", "vpn", "isolated", "lossy", "bloated",
}  # fmt: skip


def test_all_promised_homes_are_there() -> None:
    assert set(HOMES) == PROMISED


@pytest.mark.parametrize("name", HOMES)
@pytest.mark.parametrize("hosts", [1, 2, 5])
def test_a_home_survives_its_json(name: str, hosts: int) -> None:
    home = home_named(name, hosts)
    assert home_from_json(json.loads(json.dumps(home.to_json()))) == home


@pytest.mark.parametrize("name", HOMES)
def test_the_interfaces_of_a_home_have_distinct_ports_and_addresses(name: str) -> None:
    home = home_named(name, 4)
    assert len({each.port for each in home.interfaces}) == len(home.interfaces)
    assert len({each.address for each in home.interfaces}) == len(home.interfaces)
    segments = {each.name for each in home.segments}
    assert {each.segment for each in home.interfaces} <= segments
    assert all(len(each.name) <= 15 for each in home.interfaces)  # the kernel's limit


def test_940_mbit_of_tcp_need_983_mbit_of_ethernet() -> None:
    assert line_mbit(940) == pytest.approx(940 * 1514 / 1448)
    assert line_mbit(940) == pytest.approx(982.85, abs=0.01)


def test_20_mbit_of_tcp_between_stations_need_twice_that_air_and_room_for_acknowledgements() -> (
    None
):
    """2 crossings * (1514 + half of a 66 byte acknowledgement) / 1448 * 20 = 42.7."""
    assert air_mbit(20) == pytest.approx(42.735, abs=0.001)


def test_the_hotspot_has_the_figures_of_the_contract() -> None:
    """20 Mbit/s shared, 20 ms round trip over four link directions, 5 ms jitter, 128 KiB queue."""
    home = home_named("hotspot", 2)
    for interface in home.interfaces:
        for side in (interface.up, interface.down):
            assert side.delay_s * 4 == pytest.approx(0.020)
            assert side.jitter_s * 4 == pytest.approx(0.005)
            assert side.queue_bytes == 128 * 1024
            assert side.rate_bytes_per_s == pytest.approx(air_mbit(20) * BYTES_PER_S_PER_MBIT)
    assert {each.medium for each in home.interfaces} == {"air"}


def test_the_vpn_comes_first_in_the_list_but_names_lead_to_the_lan() -> None:
    home = home_named("vpn", 2)
    assert [each.name for each in home.interfaces if each.host == "b"] == ["tun0", "eth0"]
    assert home.interface("b").name == "eth0"


def test_an_unknown_home_is_refused_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="hotspot"):
        home_named("palace", 2)


def test_a_v1_cpu_controller_is_found(tmp_path: Path) -> None:
    mounts = (
        f"cgroup2 {tmp_path} cgroup2 rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0"
    )
    controller = find_cpu_controller(mounts)
    assert controller is not None
    assert (controller.version, str(controller.root)) == (1, "/sys/fs/cgroup/cpu")


def test_a_v2_hierarchy_counts_only_if_it_hands_out_cpu(tmp_path: Path) -> None:
    mounts = f"cgroup2 {tmp_path} cgroup2 rw 0 0"
    (tmp_path / "cgroup.subtree_control").write_text("memory pids")
    assert find_cpu_controller(mounts) is None
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory")
    controller = find_cpu_controller(mounts)
    assert controller is not None
    assert controller.version == 2


def test_a_v2_share_is_written_as_quota_and_period(tmp_path: Path) -> None:
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    controller = find_cpu_controller(f"cgroup2 {tmp_path} cgroup2 rw 0 0")
    assert controller is not None
    group = controller.make("lab-x/a", 0.25)
    assert (group / "cpu.max").read_text() == "2500 10000"
    assert (tmp_path / "lab-x" / "cgroup.subtree_control").read_text() == "+cpu"
