"""A pair of emulated hosts measured by netprobe and judged by the command, with one trouble at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from netprobe.report import report_document
from tests.cli.shell import run
from tests.lab.homes import home_named
from tests.lab.lab import Lab
from tests.netprobe.in_lab import probe, served

Hurt = Callable[[Lab], None]

PIPELINE: Final = ("--model", "llama-2-13b", "--pipeline-parallel", "2", "--tensor-parallel", "1", "--replicas", "1", "--concurrency", "16")  # fmt: skip
SHORT: Final = (*PIPELINE[:-1], "1", "--prompt-tokens", "16")
TENSOR: Final = ("--model", "gpt2", "--tensor-parallel", "2", "--pipeline-parallel", "1", "--replicas", "1")  # fmt: skip
DOCUMENT: Final = """\
schema = "homecluster.cluster/1"

[nodes.a]
os = "linux"
ram = "64 GiB"
addresses = ["{a}"]
[[nodes.a.devices]]
kind = "cuda"
name = "NVIDIA GeForce RTX 4090"

[nodes.b]
os = "linux"
ram = "64 GiB"
addresses = ["{b}"]
[[nodes.b.devices]]
kind = "cuda"
name = "NVIDIA GeForce RTX 4090"

[[links]]
between = ["a", "b"]
rtt = "{rtt}"
bandwidth = "{bandwidth}"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A home, what is done to it, what runs on it, and what must be named first; None: healthy."""

    home: str
    hurt: Hurt
    plan: tuple[str, ...]
    expected: str | None


def nothing(_: Lab) -> None:
    """A healthy home."""


def thin_uplink(lab: Lab) -> None:
    lab.link("a").set(direction="up", rate_mbit=3)


def loss(lab: Lab) -> None:
    """Two of a hundred each way, as behind a thick wall."""
    lab.link("a").set(loss_percent=3)


def bloat(lab: Lab) -> None:
    """1 MiB at 30 Mbit/s is 280 ms."""
    lab.link("a").set(rate_mbit=30, queue_kib=1024)


CASES: Final[Mapping[str, Case]] = MappingProxyType(
    {
        "healthy gigabit": Case(home="1gbe", hurt=nothing, plan=PIPELINE, expected=None),
        "healthy Wi-Fi": Case(home="wifi6", hurt=nothing, plan=PIPELINE, expected=None),
        "founding hotspot": Case(home="hotspot", hurt=nothing, plan=TENSOR, expected="latency-bound-tensor-parallel"),
        "thin uplink": Case(home="1gbe", hurt=thin_uplink, plan=PIPELINE, expected="asymmetric-uplink"),
        "loss": Case(home="1gbe", hurt=loss, plan=PIPELINE, expected="packet-loss"),
        "bufferbloat": Case(home="1gbe", hurt=bloat, plan=SHORT, expected="bufferbloat"),
    }
)  # fmt: skip


def judged(case: Case, folder: Path) -> list[dict[str, Any]]:
    """The causes that the command names from what netprobe measured in that home."""
    with Lab(home_named(case.home, 2)) as lab, served(lab, "b"):
        case.hurt(lab)
        report, _ = probe(lab, "a", "b")
        addresses = {name: lab.host(name).address for name in "ab"}
    seen, cluster = folder / "report.json", folder / "home.toml"
    seen.write_text(json.dumps(report_document(report)))
    cluster.write_text(DOCUMENT.format(**addresses, rtt="0.3 ms", bandwidth="940 Mbit/s"))
    ran = run("diagnose", seen, "--cluster", cluster, *case.plan, "--json")
    assert ran.out, ran.err
    return ran.document["causes"]
