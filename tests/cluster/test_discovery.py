"""Finding a cluster in emulated homes, with real mDNS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@contextmanager
def announcing(lab: Lab, host: str) -> Iterator[None]:
    argv = [sys.executable, "-m", "tests.cluster.announce", f"pc-{host}", "7433"]
    with lab.host(host).running(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "announcing\n"
        yield


def seek(lab: Lab, host: str, look_s: float = 15.0) -> list[dict[str, Any]]:
    ran = lab.host(host).run([sys.executable, "-m", "tests.cluster.seek", str(look_s)], timeout=90)
    assert ran.returncode == 0, ran.stderr
    print(ran.stdout)  # noqa: T201 - how long it took is told, never asserted
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_on_a_switch_it_is_found_at_the_address_that_answers() -> None:
    require_lab()
    with Lab("vpn", hosts=2) as lab, announcing(lab, "a"):
        (found,) = seek(lab, "b")
        assert found["name"] == "pc-a"
        assert found["addresses"] == [lab.host("a").address]  # not the VPN's, listed first


def test_where_multicast_is_dropped_each_address_is_asked() -> None:
    require_lab()
    with Lab("isolated", hosts=3) as lab, announcing(lab, "a"):
        (found,) = seek(lab, "b")
        assert found["addresses"] == [lab.host("a").address]


def test_isolated_stations_do_not_find_each_other() -> None:
    require_lab()
    with Lab("isolated", hosts=3) as lab, announcing(lab, "b"):
        assert seek(lab, "c", look_s=3.0) == []


def test_an_address_that_comes_later_is_announced() -> None:
    require_lab()
    with Lab("1gbe", hosts=2) as lab:
        a, b = lab.host("a"), lab.host("b")
        a.run(["ip", "address", "flush", "dev", "eth0"], check=True)
        with announcing(lab, "a"):
            assert seek(lab, "b", look_s=2.5) == []
            a.run(["ip", "address", "add", f"{a.address}/24", "dev", "eth0"], check=True)
            within(10, lambda: seek(lab, b.name, look_s=5.0), lambda: "still not found")
