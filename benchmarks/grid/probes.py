"""What the planner is told before anything runs: one PC as `homecluster probe` sees it, and each kind of link."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from benchmarks.grid.cells import LINKS
from benchmarks.grid.world import grid_lab, on_one_cpu, set_links
from homecluster.store.engine_store import Engine
from tests.lab.lab import Lab
from tests.netprobe.in_lab import served

_PROBE_WITHIN_S: Final = 270.0
_LINK_WITHIN_S: Final = 120.0


def probed_device(engine: Engine) -> dict[str, Any]:
    """The cluster document of one PC with one CPU, as `homecluster probe` prints it."""
    with grid_lab(1) as lab:
        ran = lab.host("a").run(
            on_one_cpu(sys.executable, "-m", "homecluster", "probe", "--json"),
            env={"HOMECLUSTER_ENGINES": str(engine.path.parent)},
            timeout=_PROBE_WITHIN_S,
            check=True,
        )
    document: dict[str, Any] = json.loads(ran.stdout)
    return document


def probed_link(engine: Engine, name: str) -> dict[str, Any]:
    """netprobe's report of the two PCs a and b, with the engine's own all-reduce."""
    options = ("--engine-python", str(engine.python))
    with grid_lab(2) as lab:
        set_links(lab, LINKS[name](2))
        with served(lab, "b", options=options, command=on_one_cpu(sys.executable, cpu=1)):
            report = _probe(lab, options)
    radio = any(each.medium for each in LINKS[name](2).interfaces)
    # The lab's cards are all called eth0; a real PC knows that its card is a radio.
    report["interface_kind"] = "wifi" if radio else "wired"
    return report


def _probe(lab: Lab, options: tuple[str, ...]) -> dict[str, Any]:
    address = lab.host("b").address
    argv = on_one_cpu(sys.executable, "-m", "netprobe", "run", address, "--json", *options)
    ran = lab.host("a").run(argv, timeout=_LINK_WITHIN_S)
    report: dict[str, Any] = json.loads(ran.stdout)
    report.pop("samples", None)
    return report
