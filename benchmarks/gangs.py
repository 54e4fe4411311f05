"""One copy over two emulated PCs: `python -m benchmarks.gangs --homes 1gbe wifi5 --layouts tensor pipeline`.

For each home, layout and backend: start-up, tokens per second of one request, and the bytes that the
second PC's link carried beside those that the layout's messages add up to. Needs root and the engine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from homecluster.app.engine import refresh_own_code
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.plan import Backend
from homecluster.engines.vllm_gang_bytes import Traffic, planned_bytes
from homecluster.store.engine_store import Engine, find_engine
from homecluster.store.models import find_model
from homecluster.store.paths import paths_from
from tests.cluster.gang_in_lab import LabGang, lab_gang

LAYOUTS = {"tensor": (2, (12,)), "pipeline": (1, (6, 6)), "uneven": (1, (4, 8))}
"""Tensor-parallel size and layers of each stage of GPT-2 124M, one rank on each PC."""
FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    home: str
    layout: str
    backend: str
    start_up_s: float
    tokens_per_s: float
    link_bytes: int
    planned_bytes: int

    @property
    def ratio(self) -> float:
        return self.link_bytes / self.planned_bytes


def measure(
    engine: Engine, model: Path, *, home: str, layout: str, backend: Backend, tokens: int
) -> Row:
    tensor_parallel, partition = LAYOUTS[layout]
    begun_s = time.monotonic()
    with lab_gang(
        home, engine, model, backend=backend, tensor_parallel=tensor_parallel, partition=partition
    ) as gang:
        gang.wait_until_it_runs()
        start_up_s = time.monotonic() - begun_s
        gang.complete("warm up", 4)
        carried, took_s = _ask(gang, tokens)
    traffic = Traffic(input_tokens=1, output_tokens=tokens, dtype_bytes=FLOAT32_BYTES)
    return Row(
        home=home,
        layout=layout,
        backend=backend,
        start_up_s=start_up_s,
        tokens_per_s=tokens / took_s,
        link_bytes=carried,
        planned_bytes=planned_bytes(
            find_model("gpt2").spec,
            tensor_parallel=tensor_parallel,
            stages=len(partition),
            traffic=traffic,
        ),
    )


def _ask(gang: LabGang, tokens: int) -> tuple[int, float]:
    """(bytes over the link both ways, seconds)."""
    before = sum(gang.link_bytes())
    begun_s = time.monotonic()
    gang.complete([7], tokens)
    took_s = time.monotonic() - begun_s
    return sum(gang.link_bytes()) - before, took_s


def make_gpt2(engine: Engine, folder: Path) -> Path:
    """GPT-2 124M with random weights."""
    config = folder / "config.json"
    config.write_text(json.dumps(dict(find_model("gpt2").config)))
    model = folder / "gpt2"
    subprocess.run(
        [engine.python, "-m", "homecluster.jobs.random_model",
         "--config", config, "--out", model, "--seed", "0"],
        check=True, timeout=300,
    )  # fmt: skip
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", nargs="+", default=["1gbe"])
    parser.add_argument("--layouts", nargs="+", choices=sorted(LAYOUTS), default=["tensor"])
    parser.add_argument("--backends", nargs="+", choices=["mp", "ray"], default=["mp"])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--out", type=Path, help="Also write the rows as JSON.")
    asked = parser.parse_args()
    engine = refresh_own_code(find_engine(paths_from(os.environ).engines, DeviceKind.CPU))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        model = make_gpt2(engine, Path(folder))
        print("home         layout    backend  start-up s  tokens/s  link bytes  planned  ratio")
        for home in asked.homes:
            for layout in asked.layouts:
                for backend in asked.backends:
                    row = measure(
                        engine,
                        model,
                        home=home,
                        layout=layout,
                        backend=Backend(backend),
                        tokens=asked.tokens,
                    )
                    rows.append(asdict(row))
                    print(
                        f"{row.home:12} {row.layout:9} {row.backend:7} {row.start_up_s:11.1f} "
                        f"{row.tokens_per_s:9.2f} {row.link_bytes:11} {row.planned_bytes:8} {row.ratio:6.2f}"
                    )
    if asked.out:
        asked.out.write_text(json.dumps({"schema": "homecluster.gangs/1", "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
