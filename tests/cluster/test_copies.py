"""Whole copies behind one address, as a person starts them: one PC of the two lies behind WSL's NAT.

test_copies_on_loopback.py guards the same way with a stand-in for vLLM.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from homecluster.store.engine_store import Engine
from tests.cluster.pcs import Pc
from tests.fakes.gang_engine import make_engine, make_model
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.live.test_plugin import PROMPTS, greedy_tokens
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

PORT = 8000
_CLIENT = Path(__file__).with_name("chat_client.py")
_REAL_CLIENTS = Path(__file__).with_name("real_clients.py")


@contextmanager
def two_pcs(engines: Path) -> Iterator[tuple[Lab, Pc, Pc]]:
    """Coordinator a, and b that other PCs cannot dial."""
    require_lab()
    with Lab("wsl-nat", hosts=2) as lab:
        environment = {"HOMECLUSTER_ENGINES": str(engines)}
        a, b = (Pc(host=lab.host(name), env=environment) for name in ("a", "b"))
        a.create()
        joined = b.join(a.token())
        assert joined.returncode == 0, joined.stderr
        yield lab, a, b


def up(pc: Pc, model: Path, *more: str) -> Any:
    return pc.document(
        *("up", "--model", model, "--dtype", "float32", "--replicas", "2", "--concurrency", "2"),
        *("--prompt-tokens", "96", "--output-tokens", "32", "--port", str(PORT), "--detach", *more),
        timeout_s=280,
    )


def ask(pc: Pc, *arguments: object) -> Any:
    """What the client, typed on that PC, printed."""
    argv = [sys.executable, str(_CLIENT), str(PORT), *map(str, arguments)]
    ran = pc.host.run(argv, timeout=200)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def copies(pc: Pc) -> dict[str, Any]:
    """Name -> how the copy is, as `status` tells it."""
    (job,) = pc.document("status")["jobs"]
    return {one["name"]: one for one in job.get("copies", ())}


def serves(pc: Pc, name: str) -> bool:
    return bool(copies(pc).get(name, {}).get("serves"))


def processes(pc: Pc, *words: str) -> list[str]:
    lines = pc.host.run(["ps", "-ww", "-eo", "pid,args"]).stdout.splitlines()
    return [line.strip() for line in lines if all(word in line for word in words)]


def of_jobs(*pcs: Pc) -> list[str]:
    """Every process of a job, a share or an engine."""
    found = []
    for pc in pcs:
        found += processes(pc, f"{pc.state}/jobs") + processes(pc, f"{pc.state}/shares")
        found += processes(pc, "--served-model-name")
    return found


def kill(pc: Pc, *words: str) -> None:
    pids = [line.split()[0] for line in processes(pc, *words)]
    assert pids, words
    pc.host.run(["kill", "-KILL", *pids], check=True)


def test_a_model_is_copied_a_crash_mended_and_nothing_left_whoever_is_killed(
    tmp_path: Path,
) -> None:
    engines = tmp_path / "engines"
    make_engine(engines)
    with two_pcs(engines) as (_, a, b):
        job = up(a, make_model(tmp_path / "models"))
        assert job["state"] == "running"
        (copied,) = b.state.glob("models/toy-*/config.json")
        assert copied.read_bytes() == (tmp_path / "models/toy/config.json").read_bytes()

        kill(b, "gang_engine_process")
        assert ask(a, "tokens", "toy", "x", 2)["status"] == 200
        within(60, lambda: copies(a)["b"]["starts"] == 2 and serves(a, "b"), lambda: str(copies(a)))

        kill(a, "copies_process")
        ended = a.type("down", "--all", timeout_s=120)
        assert ended.returncode == 0, ended.stderr
        within(30, lambda: not of_jobs(a, b), lambda: str(of_jobs(a, b)))


def check_real_clients(pc: Pc, engine: Engine) -> None:
    """OpenAI's package, Prometheus' parser and vLLM's benchmark are satisfied with the address."""
    argv = [str(engine.python), str(_REAL_CLIENTS), str(PORT), "tiny-llama"]
    ran = pc.host.run(argv, timeout=280)
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["chat"]["models"] == ["tiny-llama"]
    assert (said["chat"]["tokens"], said["chat"]["finish"]) == (12, "length")
    assert said["chat"]["chunks"] > 1
    assert said["metrics"]["homecluster_copy_serving"] == {"a": 1, "b": 1}
    assert sum(said["metrics"]["vllm:generation_tokens_total"].values()) >= 12

    measured = pc.document("bench", "--seconds", "2", timeout_s=280)
    assert (measured["failed"], measured["layout"]["replicas"]) == (0, 2)
    given = {one["copy"]: one["requests"] for one in measured["copies"]}
    assert given.keys() == {"a", "b"}
    assert sum(given.values()) >= measured["completed"]
    assert min(given.values()) > 0
    (link,) = measured["link_bytes"]
    assert (
        link["received"] > measured["output_tokens"]
    )  # the far copy's events are longer than a byte a token


@pytest.mark.engine
def test_real_copies_stream_and_what_one_loses_the_other_answers(
    engine: Engine, tiny_llama: Path, tmp_path: Path
) -> None:
    expected, _ = greedy_tokens(engine, tiny_llama, tmp_path)
    with two_pcs(engine.path.parent) as (_, a, b):
        assert up(a, tiny_llama)["state"] == "running"
        told = ask(a, "tokens", "tiny-llama", PROMPTS[0], 24)
        assert told == {"status": 200, "token_ids": expected[0]}
        assert ask(a, "stream", "tiny-llama", "Hello", 8) == {"events": 8, "done": True}
        check_real_clients(a, engine)

        # Requests go on while the engine of one copy is killed: each of them is answered.
        load = a.host.popen(
            [sys.executable, str(_CLIENT), str(PORT), "load", "tiny-llama", "24", "40"],
            stdout=-1,
            text=True,
        )
        assert load.stdout is not None
        assert load.stdout.readline().strip() == "begun"
        kill(b, "vllm.entrypoints.openai.api_server")
        out, _ = load.communicate(timeout=200)
        assert json.loads(out) == {"answered": 40, "failed": 0}

        assert a.type("down", "--all", timeout_s=120).returncode == 0
        within(30, lambda: not of_jobs(a, b), lambda: str(of_jobs(a, b)))
