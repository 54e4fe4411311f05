"""How fast the page of a large home is there, what its server takes, and how fast what-if is answered.

    python -m benchmarks.dashboard              # 50 PCs, kept in results/dashboard.json; a minute, needs Chromium
    python -m benchmarks.dashboard --pcs 8      # printed only

The server has an hour of history of each of its links; what-if is asked of eight PCs, as while a slider is dragged.

First paint is the browser's own figure; "drawn" is when graph, matrix and plans stand, from the moment
the page was asked for.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final

import psutil

from homecluster.app.link_watch import watch_file
from homecluster.domain.ids import NodeId
from homecluster.domain.workload import Goal, Serve
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.files import write_json
from homecluster.store.link_log import LinkPoint, add_point
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from homecluster.web.what_if import WhatIf
from tests.ports import unused_port
from tests.web.browser import opened

RESULTS: Final = Path(__file__).with_name("results") / "dashboard.json"
SCHEMA: Final = "homecluster.bench-dashboard/1"
_PCS: Final = 50
_RUNS: Final = 3
_WHAT_IF_PCS: Final = 8
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"


def large_home(pcs: int) -> dict[str, Any]:
    """A cluster document: unlike PCs, every pair joined."""
    cards = (
        "NVIDIA GeForce RTX 4090",
        "NVIDIA GeForce RTX 3060",
        "NVIDIA GeForce RTX 3060 Laptop GPU",
    )
    names = [f"pc{number:02d}" for number in range(pcs)]
    return {
        "schema": "homecluster.cluster/1",
        "nodes": {
            name: {"os": "linux", "ram": "32 GiB", "devices": [{"kind": "cuda", "name": cards[i % 3]}]}
            for i, name in enumerate(names)
        },
        "links": [
            {"between": [a, b], "rtt": f"{300 + 10 * (i % 7)} us", "bandwidth": "940 Mbit/s"}
            for i, (a, b) in enumerate(combinations(names, 2))
        ],
    }  # fmt: skip


def hour_of_history(home: dict[str, Any]) -> Iterator[LinkPoint]:
    """What the agent of the first PC would have noted: a point for each other PC every five minutes."""
    first, *others = map(NodeId, home["nodes"])
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    for minute in range(0, 60, 5):
        at = (begun + timedelta(minutes=minute)).isoformat()
        for other in others:
            yield LinkPoint(at=at, src=first, dst=other, method="agent", rtt_s=0.0003)


def what_if_s() -> float:
    """The slowest answer of eight PCs over slow and fast links, for one request and for many."""
    home = parse_cluster(json.dumps(large_home(_WHAT_IF_PCS)), file="a made home", as_json=True)
    spec = find_model("gpt2").spec
    questions = WhatIf(home, Serve(goal=Goal.LATENCY))
    questions.learn(spec)
    links = product((5e-5, 1e-3, 2e-2), (2.5e6, 1e8, 1e9), (1, 8, 64))
    return max(
        float(
            questions.answer(
                spec,
                {
                    "quick": True,
                    "rtt_s": rtt_s,
                    "bandwidth_bytes_per_s": rate,
                    "concurrency": requests,
                },
            )["took_s"]
        )
        for rtt_s, rate, requests in links
    )


def measure(pcs: int) -> dict[str, Any]:
    """Seconds to the page, each time it was opened, and what its server holds then."""
    with tempfile.TemporaryDirectory() as folder:
        home = large_home(pcs)
        document = Path(folder) / "home.json"
        document.write_text(json.dumps(home))
        for point in hour_of_history(home):
            add_point(watch_file(Paths(home=Path(folder), engines=Path(folder))), point)
        began_s = time.monotonic()
        with served(document, Path(folder)) as (server, links):
            start_s = time.monotonic() - began_s
            paints, drawn = zip(*map(seconds_to_see, links), strict=True)
            memory = psutil.Process(server.pid).memory_info().rss
    return {
        "pcs": pcs,
        "directed_links": pcs * (pcs - 1),
        "start_s": round(start_s, 1),
        "first_paint_s": [round(one, 2) for one in paints],
        "drawn_s": [round(one, 2) for one in drawn],
        "server_memory_mib": round(memory / 2**20),
        "what_if_pcs": _WHAT_IF_PCS,
        "what_if_at_most_s": round(what_if_s(), 3),
    }


@contextmanager
def served(document: Path, home: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The dashboard's process, and a link for each time that the page is opened."""
    server = subprocess.Popen(
        [sys.executable, "-m", "homecluster", "dashboard", "--json", "--cluster", str(document),
         "--port", str(unused_port()), "--links", str(_RUNS)],
        stdout=subprocess.PIPE, text=True, env=os.environ | {"HOMECLUSTER_HOME": str(home)},
    )  # fmt: skip
    try:
        assert server.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += server.stdout.readline()
        yield server, json.loads(text)["login_links"]
    finally:
        server.terminate()
        server.wait(30)


def seconds_to_see(link: str) -> tuple[float, float]:
    """(first paint, drawn) of a new browser."""
    with opened(link) as seen:
        seen.page.wait_for_selector("#matrix button")
        drawn_s = float(seen.page.evaluate("performance.now()")) / 1000
        return float(seen.page.evaluate(_PAINT) or 0) / 1000, drawn_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--pcs", type=int)
    asked = parser.parse_args()
    found = measure(asked.pcs or _PCS)
    if asked.pcs is None:
        write_json(RESULTS, {"schema": SCHEMA, **found})
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
