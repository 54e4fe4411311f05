"""How fast the page of a large home is there, and what its server takes: `python -m benchmarks.dashboard [PCs]`.

First paint is the browser's own figure; "drawn" is when graph, matrix and plans stand, from the moment
the page was asked for.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import psutil

from tests.ports import unused_port
from tests.web.browser import opened

_RUNS = 3
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


def main() -> None:
    pcs = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "home.json"
        document.write_text(json.dumps(large_home(pcs)))
        began_s = time.monotonic()
        server = subprocess.Popen(
            [sys.executable, "-m", "homecluster", "dashboard", "--json", "--cluster", str(document),
             "--port", str(unused_port()), "--links", str(_RUNS)],
            stdout=subprocess.PIPE, text=True, env=os.environ | {"HOMECLUSTER_HOME": folder},
        )  # fmt: skip
        assert server.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            text += server.stdout.readline()
        print(f"{pcs} PCs, {pcs * (pcs - 1)} directed links")
        print(f"start, planning included: {time.monotonic() - began_s:.1f} s")
        paints, drawn = [], []
        for link in json.loads(text)["login_links"]:
            with opened(link) as seen:
                seen.page.wait_for_selector("#matrix button")
                drawn.append(float(seen.page.evaluate("performance.now()")) / 1000)
                paints.append(float(seen.page.evaluate(_PAINT) or 0) / 1000)
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
        server.terminate()
        server.wait(30)
    print(f"first paint: median {statistics.median(paints):.2f} s of {_RUNS}")
    print(f"drawn:       median {statistics.median(drawn):.2f} s of {_RUNS}")
    print(f"server:      {memory:.0f} MiB")


if __name__ == "__main__":
    main()
