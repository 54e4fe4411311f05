"""Whole copies over two homes on this PC, from join to down, with the fake engine: no root, no namespaces."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.fakes.gang_engine import make_engine, make_model
from tests.ports import unused_port
from tests.waiting import within

pytestmark = pytest.mark.slow


@dataclass
class LoopbackPc:
    """A home of its own with an agent of its own."""

    name: str
    state: Path
    engines: Path

    def type(self, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "homecluster", *map(str, arguments)],
            env=os.environ
            | {"HOMECLUSTER_HOME": str(self.state), "HOMECLUSTER_ENGINES": str(self.engines)},
            cwd=self.state.parent, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def copies(self) -> dict[str, Any]:
        (job,) = json.loads(self.type("status", "--json"))["jobs"]
        return {one["name"]: one for one in job.get("copies", ())}

    def serves(self, name: str) -> bool:
        return bool(self.copies().get(name, {}).get("serves"))

    def processes(self, *words: str) -> list[psutil.Process]:
        """Those of this home's jobs and shares whose command has all of these words."""
        found = []
        for process in psutil.process_iter():
            try:
                where, line = process.cwd(), " ".join(process.cmdline())
                is_ours = where.startswith((f"{self.state}/jobs", f"{self.state}/shares"))
                if is_ours and process.status() != "zombie" and all(w in line for w in words):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def kill(self, *words: str) -> None:
        victims = self.processes(*words)
        assert victims, words
        for victim in victims:
            victim.kill()


@pytest.fixture
def pcs(tmp_path: Path) -> Iterator[tuple[LoopbackPc, LoopbackPc]]:
    make_engine(tmp_path / "engines")
    a, b = (LoopbackPc(name, tmp_path / name, tmp_path / "engines") for name in ("a", "b"))
    port = unused_port()
    try:
        a.type("join", "--new", "--name", "a", "--interface", "lo", "--port", port, "--yes")
        token = tmp_path / "token"
        token.write_text(json.loads(a.type("token", "--json"))["token"])
        token.chmod(0o600)
        b.type(
            *("join", "--name", "b", "--interface", "lo", "--yes"),
            *("--address", f"127.0.0.1:{port}", "--token-file", token),
        )
        yield a, b
    finally:
        a.type("down", "--all")
        for pc in (b, a):
            for process in psutil.process_iter():
                line = _line(process)
                if "homecluster.app.agent_process" in line and str(pc.state) in line:
                    process.kill()


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""


def up(pc: LoopbackPc, model: Path, *more: object) -> Any:
    return json.loads(
        pc.type(
            *("up", "--model", model, "--dtype", "float32", "--replicas", 2, "--concurrency", 2),
            *("--prompt-tokens", 96, "--output-tokens", 32, "--port", unused_port()),
            *("--detach", "--json", *more),
        )
    )


def status_of_request(job: Any) -> int:
    place = job["base_url"].removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(place, timeout=60)
    body = json.dumps({"model": "toy", "prompt": "x", "max_tokens": 2})
    connection.request("POST", "/v1/completions", body)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def nothing_left(*pcs: LoopbackPc) -> bool:
    return not any(pc.processes() for pc in pcs)


def test_copies_are_shared_mended_and_ended_whoever_is_killed(
    pcs: tuple[LoopbackPc, LoopbackPc], tmp_path: Path
) -> None:
    a, b = pcs
    model = make_model(tmp_path / "models")
    job = up(a, model)
    assert job["state"] == "running"
    assert sorted(a.copies()) == ["a", "b"]
    (copied,) = b.state.glob("models/toy-*/config.json")
    assert copied.read_bytes() == (model / "config.json").read_bytes()

    b.kill("gang_engine_process")
    assert [status_of_request(job) for _ in range(6)] == [200] * 6
    within(60, lambda: a.copies()["b"]["starts"] == 2 and a.serves("b"), lambda: str(a.copies()))

    a.kill("copies_process")
    a.type("down", "--all")
    within(30, lambda: nothing_left(a, b))


def test_the_other_operator_ends_them_and_a_copy_that_cannot_start_fails_the_job(
    pcs: tuple[LoopbackPc, LoopbackPc], tmp_path: Path
) -> None:
    a, b = pcs
    job = up(a, make_model(tmp_path / "models"))
    assert "runs here for a" in b.type("status")
    refused = b.type("down", job["job"], code=4)  # b is no operator
    assert refused == ""
    a.type("down", job["job"])
    within(30, lambda: nothing_left(a, b))

    broken = make_model(tmp_path / "broken", behaviour="0 crash")
    said = a.type(
        *("up", "--model", broken, "--dtype", "float32", "--replicas", 2, "--detach"),
        *("--prompt-tokens", 96, "--output-tokens", 32, "--port", unused_port()),
        code=5,
    )
    assert said == ""
    within(30, lambda: nothing_left(a, b))
    # The behaviour is no file that PCs copy: the copy of b comes up.
    job = up(a, broken, "--fewer-copies")
    assert job["state"] == "running"
    assert status_of_request(job) == 200
