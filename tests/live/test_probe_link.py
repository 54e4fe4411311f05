"""`homecluster probe HOST` between two hosts of an emulated home, and a plan on what it found."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.netprobe.in_lab import served

pytestmark = [pytest.mark.lab, pytest.mark.slow]

FAR = """
schema = "homecluster.cluster/1"
[nodes.bedroom]
os = "linux"
ram = "16 GiB"
cores = 8
[[nodes.bedroom.devices]]
kind = "cpu"
"""


def homecluster(host, *arguments):
    argv = [sys.executable, "-m", "homecluster", *arguments]
    return host.run(argv, timeout=120)


@pytest.fixture(scope="module")
def wifi():
    require_lab()
    with Lab("wifi5", hosts=2) as lab:
        yield lab


def test_a_probed_link_becomes_a_cluster_to_plan_on(wifi, tmp_path):
    a, b = (wifi.host(name) for name in ("a", "b"))
    far = tmp_path / "far.toml"
    far.write_text(FAR)
    with served(wifi, "b"):
        probed = homecluster(a, "probe", b.address, "--quick", "--json", "--describes", str(far))
    assert probed.returncode == 0, probed.stderr
    report = json.loads(probed.stdout)
    believed = next(a.home.rglob("cluster.json"))
    planned = homecluster(a, "plan", "--model", "gpt2", "--cluster", str(believed), "--json",
                          "--small-collectives", "engine")  # fmt: skip
    assert planned.returncode == 0, planned.stderr

    document = json.loads(believed.read_text())
    (link,) = document["links"]
    assert link["provenance"] == "measured"
    # wifi5 of the contract: 150 Mbit/s, 3 ms
    assert report["round_trip"]["p50_s"] == pytest.approx(3e-3, abs=1.5e-3)
    assert report["throughput"]["forward_bytes_per_s"] == pytest.approx(150e6 / 8, rel=0.3)
    tensor_parallel = [p for p in json.loads(planned.stdout)["plans"] if p["tensor_parallel"] == 2]
    assert tensor_parallel[0]["estimate"]["terms"]["network_latency_s"] > 25 * 3e-3


def test_a_silent_far_side_is_a_peer_error_with_the_line_to_type(wifi):
    a, b = (wifi.host(name) for name in ("a", "b"))

    probed = homecluster(a, "probe", b.address, "--quick")

    assert probed.returncode == 4
    assert "netprobe serve --bind" in probed.stderr
    assert "Traceback" not in probed.stderr


def test_the_far_pc_must_be_another_one(wifi, tmp_path):
    a = wifi.host("a")
    own = tmp_path / "own.json"
    mine = homecluster(a, "probe", "--json")
    own.write_text(mine.stdout)

    probed = homecluster(a, "probe", wifi.host("b").address, "--describes", str(own))

    assert probed.returncode == 2, subprocess.list2cmdline(["probe"]) + probed.stderr
    assert "also this PC" in probed.stderr
