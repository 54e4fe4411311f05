"""PCs of emulated homes join by typing, and what keeps them apart is named."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.pcs import Pc, cluster_of, took_s, without_place
from tests.lab.availability import require_lab
from tests.lab.guest import Host
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]

WSL_KERNEL = "5.15.167.4-microsoft-standard-WSL2"


def sees_alive(pc: Pc, count: int) -> bool:
    return list(pc.health().values()) == ["alive"] * count


def probed(pc: Pc) -> tuple[dict[str, Any], str, int]:
    """The live cluster after a quick probe of all links, what was told beside it, the exit code."""
    ran = pc.type("probe", "--quick", "--json", timeout_s=200)
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout), ran.stderr, ran.returncode


def be_wsl_nat(host: Host) -> dict[str, str]:
    """This host takes itself for WSL2 in NAT mode: the kernel's name and `wslinfo`, captured from a real one."""
    release = host.folder / "osrelease"
    release.write_text(f"{WSL_KERNEL}\n")
    host.run(["mount", "--bind", str(release), "/proc/sys/kernel/osrelease"], check=True)
    tools = host.folder / "bin"
    tools.mkdir()
    wslinfo = tools / "wslinfo"
    wslinfo.write_text("#!/bin/sh\necho nat\n")
    wslinfo.chmod(0o755)
    return {"PATH": f"{tools}:{host.environment['PATH']}"}


def test_three_pcs_join_by_typing_and_all_see_each_other() -> None:
    require_lab()
    with Lab("1gbe", hosts=3) as lab, cluster_of(lab, "a", "b", "c") as pcs:
        for pc in pcs.values():
            seen_s = took_s(3, partial(sees_alive, pc, 3), pc.health)
            print(f"{pc.name} sees all after {seen_s:.1f} s")  # noqa: T201 - told, not asserted
        cluster, said, code = probed(pcs["b"])
        assert code == 0, said
        assert sorted(cluster["nodes"]) == ["a", "b", "c"]
        assert len(cluster["links"]) == 3
        plan = pcs["c"].document("plan", "--model", "gpt2")
        assert {name for one in plan["plans"] for name in one["nodes"]} == {"a", "b", "c"}


def test_a_vpn_is_not_used_by_itself() -> None:
    """tun0 comes first in each PC's list."""
    require_lab()
    with Lab("vpn", hosts=2) as lab, cluster_of(lab, "a", "b") as pcs:
        a, b = pcs["a"].document("nodes")["nodes"]
        assert a["address"] == lab.host("a").address
        assert b["address"] == lab.host("b").address


def test_a_vpn_is_used_when_it_is_chosen() -> None:
    require_lab()
    with Lab("vpn", hosts=2) as lab:
        a, b = (Pc(host=lab.host(name)) for name in ("a", "b"))
        a.create("--interface", "tun0")
        ran = b.join(without_place(a.token()), "--interface", "tun0")
        assert ran.returncode == 0, ran.stderr
        assert [one["address"] for one in a.document("nodes")["nodes"]] == ["10.8.0.2", "10.8.0.3"]


def test_guest_wifi_is_joined_without_multicast_and_its_isolation_is_named() -> None:
    """Stations reach the wired a, found one address at a time; b and c never reach each other."""
    require_lab()
    with Lab("isolated", hosts=3) as lab:
        with cluster_of(lab, "a", "b", "c") as pcs:
            cluster, said, code = probed(pcs["a"])
        assert code == 1
        assert sorted(one["between"] for one in cluster["links"]) == [["a", "b"], ["a", "c"]]
        (pair,) = [line for line in said.splitlines() if line.startswith("b and c")]
        assert "client-isolation" in pair
        assert "cable" in pair


def test_a_coordinator_behind_isolation_is_named_to_who_wants_in() -> None:
    require_lab()
    with Lab("isolated", hosts=3) as lab:
        b, c = (Pc(host=lab.host(name)) for name in ("b", "c"))
        b.create()
        c.host.run(["ping", "-c1", "-W2", lab.host("a").address], check=True)
        ran = c.join(b.token())
        assert ran.returncode == 4
        assert "keeps its clients apart" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert not (c.state / "agent" / "cluster-state").exists()


def test_wsl_behind_nat_joins_and_is_measured_both_ways() -> None:
    require_lab()
    with Lab("wsl-nat", hosts=2) as lab:
        a = Pc(host=lab.host("a"))
        b = Pc(host=lab.host("b"), env=be_wsl_nat(lab.host("b")))
        a.create()
        lost = b.join(without_place(a.token()))
        assert lost.returncode == 4
        assert "--address" in lost.stderr  # announcements do not come through
        ran = b.join(a.token())
        assert ran.returncode == 0, ran.stderr
        nodes = {one["name"]: one for one in a.document("nodes")["nodes"]}
        assert (nodes["a"]["can_be_dialled"], nodes["b"]["can_be_dialled"]) == (True, False)
        cluster, said, code = probed(a)
        assert code == 0, said
        (link,) = cluster["links"]
        assert set(link["bandwidth"]) == {"forward", "back"}


def test_the_state_is_this_users_alone() -> None:
    require_lab()
    with Lab("1gbe", hosts=1) as lab:
        a = Pc(host=lab.host("a"))
        a.create()
        modes = {path: path.stat().st_mode & 0o777 for path in _below(a.state / "agent")}
        assert set(modes.values()) <= {0o700, 0o600}, modes


def _below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]
