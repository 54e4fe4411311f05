"""Somebody else on the home network gets nowhere, and does not keep members from working."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.cluster.pcs import Pc, cluster_of, without_place
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PORT = 7433
LISTENERS = {
    "a": {f"tcp 10.77.0.2:{PORT}", "udp 0.0.0.0:5353", "udp 10.77.0.2:5353"},
    "b": set[str](),
    "c": set[str](),
}
"""What docs/protocol.md says: the coordinator's one port on the chosen address, and mDNS."""

IDLE = """
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
held = []
for _ in range(1500):
    one = socket.socket()
    one.setblocking(False)
    try:
        one.connect((sys.argv[1], int(sys.argv[2])))
    except BlockingIOError:
        pass
    held.append(one)
print("open", flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[tuple[Lab, dict[str, Pc]]]:
    """Three members, and a stranger called d."""
    require_lab()
    with Lab("1gbe", hosts=4) as lab, cluster_of(lab, "a", "b", "c") as pcs:
        yield lab, {**pcs, "d": Pc(host=lab.host("d"))}


def listeners(pc: Pc) -> set[str]:
    ran = pc.host.run(["ss", "-H", "-tuln"], check=True)
    rows = [line.split() for line in ran.stdout.splitlines()]
    return {f"{row[0]} {row[4]}" for row in rows}


def test_only_the_documented_ports_listen_on_the_chosen_address(
    home: tuple[Lab, dict[str, Pc]],
) -> None:
    _, pcs = home
    found = {name: listeners(pcs[name]) for name in "abc"}
    assert {name: one - LISTENERS[name] for name, one in found.items()} == {
        "a": set(),
        "b": set(),
        "c": set(),
    }
    assert f"tcp 10.77.0.2:{PORT}" in found["a"]


def test_after_a_probe_nothing_more_listens(home: tuple[Lab, dict[str, Pc]]) -> None:
    _, pcs = home
    assert pcs["a"].type("probe", "--quick").returncode == 0
    within(5, lambda: listeners(pcs["b"]) == set(), lambda: listeners(pcs["b"]))


def test_a_wrong_token_and_a_used_one_let_nobody_in(home: tuple[Lab, dict[str, Pc]]) -> None:
    _, pcs = home
    a, d = pcs["a"], pcs["d"]
    good = a.token()
    pin, at, place = good.partition("@")
    wrong = pin[:-1] + ("0" if pin[-1] != "0" else "1") + at + place
    assert d.join(wrong).returncode == 4
    assert sorted(a.health()) == ["a", "b", "c"]
    assert d.join(good).returncode == 0
    assert d.type("leave").returncode == 0
    (d.state / "agent" / "node.key").unlink()  # another PC, as far as its key tells
    again = d.join(good)
    assert again.returncode == 4
    assert "used" in again.stderr
    assert sorted(a.health()) == ["a", "b", "c"]


def test_a_token_of_another_cluster_does_not_send_its_secret_here(
    home: tuple[Lab, dict[str, Pc]],
) -> None:
    _, pcs = home
    token = pcs["a"].token()
    kind, _, rest = token.partition(".")
    ran = pcs["d"].join(f"{kind}.{'0' * 64}.{rest.partition('.')[2]}")
    assert ran.returncode == 4
    assert "Traceback" not in ran.stderr


def test_who_was_put_out_gets_no_answer(home: tuple[Lab, dict[str, Pc]]) -> None:
    _, pcs = home
    a, d = pcs["a"], pcs["d"]
    assert d.join(without_place(a.token())).returncode == 0
    assert a.type("revoke", "d").returncode == 0
    within(5, lambda: d.type("probe", "--quick").returncode != 0)
    ran = d.type("plan", "--model", "gpt2")
    assert ran.returncode != 0
    assert "d" not in a.health()
    assert d.type("leave", "--force").returncode == 0


def test_1500_idle_connections_keep_no_member_waiting(home: tuple[Lab, dict[str, Pc]]) -> None:
    lab, pcs = home
    argv = [sys.executable, "-c", IDLE, lab.host("a").address, str(PORT)]
    with pcs["d"].host.running(argv, stdout=-1, text=True) as hostile:
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == "open\n"
        for _ in range(3):
            assert pcs["b"].health() == {"a": "alive", "b": "alive", "c": "alive"}
