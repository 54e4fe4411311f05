import pytest

from netprobe.probes.interface import facts_of, interface_of
from netprobe.probes.interface_kind import InterfaceFacts, classify
from netprobe.types import InterfaceKind


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (InterfaceFacts(name="lo", arp_type=772, virtual=True), "loopback"),
        (InterfaceFacts(name="enp3s0", arp_type=1, driver="r8169", speed_mbit_per_s=1000), "wired"),
        (InterfaceFacts(name="enx00", arp_type=1, driver="r8152"), "wired"),
        (InterfaceFacts(name="wlp2s0", wireless=True, driver="iwlwifi"), "wifi"),
        (InterfaceFacts(name="wlan0", device_type="wlan"), "wifi"),
        (InterfaceFacts(name="wlan0", wireless=True, address="172.20.10.3"), "hotspot"),
        (InterfaceFacts(name="wlan0", wireless=True, address="192.168.43.7"), "hotspot"),
        (InterfaceFacts(name="eth1", driver="ipheth"), "hotspot"),
        (InterfaceFacts(name="usb0", driver="rndis_host"), "hotspot"),
        (InterfaceFacts(name="wg0", device_type="wireguard", virtual=True), "vpn"),
        (InterfaceFacts(name="tailscale0", tun_flags=0x1001, arp_type=65534, virtual=True), "vpn"),
        (InterfaceFacts(name="tap0", tun_flags=0x1002, virtual=True), "virtual"),
        (InterfaceFacts(name="ztabc", tun_flags=0x1002, virtual=True), "vpn"),
        (InterfaceFacts(name="ppp0", arp_type=512, virtual=True), "vpn"),
        (InterfaceFacts(name="thunderbolt0", driver="thunderbolt-net"), "thunderbolt"),
        (InterfaceFacts(name="docker0", device_type="bridge", virtual=True), "docker"),
        (InterfaceFacts(name="br-1f2e3d", device_type="bridge", virtual=True), "docker"),
        (InterfaceFacts(name="eth0", driver="hv_netvsc"), "virtual"),
        (InterfaceFacts(name="veth12", virtual=True), "virtual"),
        (InterfaceFacts(name="eth0"), "unknown"),
    ],
)
def test_an_interface_is_known_by_its_facts(facts, kind):
    found = classify(facts)
    assert found.kind == InterfaceKind(kind)
    assert found.reason


def test_the_loopback_of_this_pc_is_recognised():
    found = interface_of("127.0.0.1")
    assert found is not None
    assert found.kind is InterfaceKind.LOOPBACK


def test_an_address_of_nobody_has_no_interface():
    assert interface_of("203.0.113.77") is None


def test_sysfs_of_another_namespace_is_not_believed(tmp_path):
    folder = tmp_path / "lo"
    folder.mkdir()
    (folder / "ifindex").write_text("999")
    (folder / "type").write_text("1")
    assert facts_of("lo", "127.0.0.1", tmp_path) == InterfaceFacts(name="lo", address="127.0.0.1")
