"""Two laptops and a phone's hotspot, typed as a person would: `python -m benchmarks.founding_case PART --work FOLDER`.

`devices` measures one emulated PC and keeps that for the others. `tensor` starts GPT-2 with tensor parallel
over both, asks `diagnose` while it starts and while it answers. `remedy` runs what `diagnose` said.
`copies` runs a copy on each PC for two users. Each prints what was typed and answered, and
adds its figures to benchmarks/results/founding-case.json. Real vLLM on one core for each PC; needs root.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.store.paths import paths_from
from tests.cluster.pcs import Pc
from tests.lab.lab import Lab
from tests.lab.plan import HomePlan

RESULTS = Path(__file__).parent / "results" / "founding-case.json"
_PORT = 8000
_LOAD = ("--prompt-tokens", "16", "--output-tokens", "16", "--concurrency")
_TENSOR = (
    *("--tensor-parallel", "2", "--pipeline-parallel", "1", "--replicas", "1"),
    *("--small-collectives", "engine"),
)
_SILENT = ("preparing memory", "warming up", "first token")
_USER = """
import http.client, json, sys, time
port, tokens, seconds = int(sys.argv[1]), 16, float(sys.argv[2])
begun_s, made = time.monotonic(), 0
while time.monotonic() - begun_s < seconds:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=200)
    body = {"model": "gpt2", "prompt": "Once upon a time", "max_tokens": tokens, "ignore_eos": True}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    made += json.loads(connection.getresponse().read())["usage"]["completion_tokens"]
print(made / (time.monotonic() - begun_s))
"""
"""A person with the next question when the last is answered; prints tokens per second."""
_KEPT = ("devices", "models")
"""What of a PC's state is worth keeping between parts: both PCs are of one make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Two PCs of one cluster; a leads."""

    lab: Lab
    a: Pc
    b: Pc


@contextmanager
def home(work: Path, plan: str | HomePlan = "hotspot") -> Iterator[Home]:
    """Both PCs joined by that home's link, which is probed; one core each."""
    environment = {"HOMECLUSTER_ENGINES": str(paths_from(os.environ).engines)}
    with Lab(plan, hosts=2, cpu_cores={"a": 1.0, "b": 1.0}) as lab:
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        for pc in (a, b):
            for part in _KEPT:
                if (work / part).is_dir():
                    shutil.copytree(work / part, pc.state / part)
        a.create()
        b.join(a.token("--operator"))
        typed(a, "probe", "--quick")
        try:
            yield Home(lab=lab, a=a, b=b)
        finally:
            for part in _KEPT:
                if (a.state / part).is_dir():
                    shutil.rmtree(work / part, ignore_errors=True)
                    shutil.copytree(a.state / part, work / part)


def typed(pc: Pc, *arguments: str) -> str:
    """What a command printed, shown with the command."""
    begun_s = time.monotonic()
    ran = pc.type(*arguments, timeout_s=240)
    print(f"\n$ homecluster {shlex.join(arguments)}   # {time.monotonic() - begun_s:.1f} s")
    print(ran.stdout + ran.stderr, flush=True)
    return ran.stdout


def measure_devices(work: Path) -> dict[str, Any]:
    """The speeds of one PC, kept in `work`."""
    environment = {"HOMECLUSTER_ENGINES": str(paths_from(os.environ).engines)}
    with Lab("hotspot", hosts=1, cpu_cores={"a": 1.0}) as lab:
        pc = Pc(host=lab.host("a"), env=environment)
        typed(pc, "probe")
        shutil.copytree(pc.state / "devices", work / "devices", dirs_exist_ok=True)
    return {}


def tensor(work: Path) -> dict[str, Any]:
    """Tensor parallel over both: explained while it starts and while it answers."""
    with home(work) as at:
        a = at.a
        begun_s = time.monotonic()
        with a.host.popen(
            [sys.executable, "-m", "homecluster", *up("gpt2", _TENSOR, 1)],
            env=a.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        ) as starting:  # fmt: skip
            while not any(word in (phase := _phase(a)) for word in _SILENT):
                assert starting.poll() is None, a.type("logs").stdout
                time.sleep(4)
            print(f"{time.monotonic() - begun_s:.0f} s after `up`: {phase}")
            typed(a, "diagnose")
            assert starting.wait(200) == 0, a.type("logs").stdout
        start_up_s = time.monotonic() - begun_s
        users = Users(a, 1, seconds=25)
        time.sleep(4)
        asked_s = time.monotonic()
        typed(a, "diagnose", "--seconds", "6")
        diagnosed_s = time.monotonic() - asked_s
        said = json.loads(a.type("diagnose", "--json").stdout)
        measured = users.rate()
        typed(a, "down", "--all")
    first = said["causes"][0]
    return {
        "start_up_s": start_up_s,
        "tokens_per_s": measured,
        "diagnosed_s": diagnosed_s,
        "cause": first["id"],
        "gain_said_tokens_per_s": first["effect_tokens_per_s"],
        "remedy": first["remedy"]["argv"],
    }


def remedy(work: Path) -> dict[str, Any]:
    """The command that `diagnose` gave, with one user as before."""
    said = json.loads(RESULTS.read_text())["tensor"]["remedy"]
    return _served(work, [*said[1:], "--port", str(_PORT), "--detach"], 1)


def copies(work: Path) -> dict[str, Any]:
    """A copy on each PC, with two users."""
    pins = ("--tensor-parallel", "1", "--pipeline-parallel", "1", "--replicas", "2")
    return _served(work, up("gpt2", pins, 2), 2)


def _served(work: Path, argv: list[str], users: int) -> dict[str, Any]:
    with home(work) as at:
        typed(at.a, *argv)
        measured = Users(at.a, users, seconds=20).rate()
        typed(at.a, "down", "--all")
    return {"users": users, "tokens_per_s": measured}


def up(model: str, pins: tuple[str, ...], users: int) -> list[str]:
    where = ("--port", str(_PORT), "--detach")
    return ["up", "--model", model, "--random-weights", *pins, *_LOAD, str(users), *where]


def _phase(pc: Pc) -> str:
    ran = pc.type("status", "--json")
    jobs = json.loads(ran.stdout)["jobs"] if ran.stdout else []
    return str(jobs[0].get("phase", "")) if jobs else ""


class Users:
    """So many of them, at the same time; their tokens per second in all."""

    def __init__(self, pc: Pc, count: int, seconds: float) -> None:
        argv = [sys.executable, "-c", _USER, str(_PORT), str(seconds)]
        self._all = [pc.host.popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(count)]

    def rate(self) -> float:
        return sum(float(one.communicate(timeout=240)[0]) for one in self._all)


PARTS = {"devices": measure_devices, "tensor": tensor, "remedy": remedy, "copies": copies}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--work", type=Path, required=True, help="Kept between parts.")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    figures = PARTS[asked.part](asked.work)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if figures:
        known |= {"schema": "homecluster.founding-case/1", asked.part: figures}
        RESULTS.write_text(json.dumps(known, indent=2) + "\n")
        print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
