"""The whole way with real vLLM: `up`, tokens over HTTP, `bench`, and nothing left whatever is killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from homecluster.store.engine_store import Engine
from tests.live.test_plugin import PROMPTS, greedy_tokens

pytestmark = [pytest.mark.engine, pytest.mark.slow]

KEY = "0123456789abcdef0123456789abcdef"


@dataclass
class Home:
    """A private homecluster with the installed engine."""

    path: Path
    engine: Engine

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "HOMECLUSTER_HOME": str(self.path),
            "HOMECLUSTER_ENGINES": str(self.engine.path.parent),
        }

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "homecluster", *map(str, arguments)]

    def run(self, *arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            self.command(*arguments), env=self.environment(), capture_output=True, text=True,
            timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr

    def status(self) -> dict[str, Any]:
        (job,) = json.loads(self.run("status", "--json"))["jobs"]
        return job

    def wait_for_state(self, state: str, within_s: float = 60.0) -> dict[str, Any]:
        deadline = time.monotonic() + within_s
        while (job := self.status())["state"] != state:
            assert time.monotonic() < deadline, job
        return job

    def wait_until_nothing_is_left(self, within_s: float = 40.0) -> None:
        deadline = time.monotonic() + within_s
        while left := self.processes():
            assert time.monotonic() < deadline, [process.cmdline() for process in left]
            time.sleep(0.2)

    def processes(self) -> list[psutil.Process]:
        """Every process that works in a job's folder: all of a job do."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd().startswith(str(self.path)) and process.status() != "zombie":
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found


@pytest.fixture
def home(tmp_path: Path, engine: Engine) -> Iterator[Home]:
    made = Home(tmp_path / "home", engine)
    yield made
    made.run("down", "--all")
    assert made.processes() == []


def complete(job: dict[str, Any], prompt: str, key: str | None = None) -> tuple[int, Any]:
    place = job["base_url"].removeprefix("http://").removesuffix("/v1")
    connection = http.client.HTTPConnection(place, timeout=120)
    body = {
        "model": job["served_model"], "prompt": prompt, "max_tokens": 24, "temperature": 0,
        "ignore_eos": True, "return_token_ids": True,
    }  # fmt: skip
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection.request("POST", "/v1/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    words = answer.read()
    return answer.status, json.loads(words) if answer.status == 200 else words


def owner_of(home: Home) -> psutil.Process:
    (state,) = home.path.glob("jobs/*/state.json")
    return psutil.Process(json.loads(state.read_text())["owner"]["pid"])


def test_up_serves_the_tokens_of_the_engine_itself_and_bench_measures_them(
    home: Home, engine: Engine, tiny_llama: Path, tmp_path: Path
) -> None:
    expected, _ = greedy_tokens(engine, tiny_llama, tmp_path)
    job = json.loads(
        home.run("up", "--model", tiny_llama, "--dtype", "float32", "--prompt-tokens", 96,
                 "--output-tokens", 32, "--port", 0, "--detach", "--json")
    )  # fmt: skip
    assert job["schema"] == "homecluster.up/1"
    assert job["state"] == "running"
    answers = [complete(job, prompt) for prompt in PROMPTS]
    assert [answer["choices"][0]["token_ids"] for _, answer in answers] == expected
    assert home.status()["processes"] >= 3

    measured = json.loads(home.run("bench", "--seconds", 5, "--concurrency", 2, "--json"))
    assert measured["failed"] == 0
    assert measured["completed"] >= 6
    assert measured["output_tokens"] == 32 * measured["completed"]
    for name in ("output_tokens_per_s", "first_token_s", "token_interval_s"):
        assert measured["measured"][name].keys() == {"mean", "p50", "p95", "p99"}
        assert measured["measured"][name]["mean"] > 0
        assert measured["predicted"][name].keys() == {"low", "mid", "high"}
    assert measured["utilisation"]["busy_cores"] > 0
    refitted = measured.pop("calibration")  # after the record was kept, from it and earlier ones
    assert [one["engine"] for one in refitted] == [measured["engine"]] or refitted == []
    assert json.loads(Path(measured["record"]).read_text()) == measured
    assert "Application startup complete" in home.run("logs", "-n", 1000)

    owner_of(home).kill()
    lost = home.status()
    assert lost["state"] == "failed"
    assert "supervisor was killed" in lost["reason"]
    home.wait_until_nothing_is_left()


def test_a_key_guards_every_path_and_kill_9_of_the_server_leaves_nothing(
    home: Home, tiny_llama: Path, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(KEY)
    key_file.chmod(0o600)
    job = json.loads(
        home.run("up", "--model", tiny_llama, "--prompt-tokens", 32, "--output-tokens", 32,
                 "--port", 0, "--host", "0.0.0.0", "--api-key-file", key_file, "--detach", "--json")
    )  # fmt: skip
    assert complete(job, "42", key=KEY)[0] == 200
    assert complete(job, "42")[0] == 401
    for process in home.processes():
        assert KEY not in " ".join(process.cmdline())
    for file in (path for path in home.path.rglob("*") if path.is_file()):
        assert KEY.encode() not in file.read_bytes(), file

    (server,) = [p for p in home.processes() if any(part.startswith("--served-model-name=") for part in p.cmdline())
                 and p.ppid() != owner_of(home).pid]  # fmt: skip
    server.kill()
    failed = home.wait_for_state("failed")
    assert "SIGKILL" in failed["reason"]
    assert home.processes() == []


def test_ctrl_c_during_the_start_leaves_nothing(home: Home, tiny_llama: Path) -> None:
    started = subprocess.Popen(
        home.command("up", "--model", tiny_llama, "--prompt-tokens", 32, "--output-tokens", 32, "--port", 0),
        env=home.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert started.stderr is not None
    while "starting the engine" not in (line := started.stderr.readline()):
        assert line, "ended before the engine started"
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=60)
    assert started.returncode == 130
    assert home.processes() == []
    assert home.status()["state"] == "stopped"


def test_a_start_that_fails_names_the_cause_and_the_log(home: Home, tiny_llama: Path) -> None:
    broken = home.path / "broken"
    broken.mkdir(parents=True)
    for file in tiny_llama.iterdir():
        content = file.read_bytes()
        (broken / file.name).write_bytes(
            content[:-1000] if file.suffix == ".safetensors" else content
        )
    said = home.run("up", "--model", broken, "--prompt-tokens", 32, "--output-tokens", 32, "--port", 0, code=5)  # fmt: skip
    assert "SafetensorError" in said
    assert "engine.log" in said
    assert home.processes() == []
