"""What `up` refuses before it starts anything: each with its exit code, its reason and the way out."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from homecluster.cli import boundary
from homecluster.cli.main import cli


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "engines"))
    yield tmp_path
    assert not (tmp_path / "home" / "jobs").exists(), "a refused start left a job behind"


def run(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """(exit code, stdout, stderr)."""
    code = boundary.run(lambda: cli.main(list(map(str, arguments)), standalone_mode=False))
    told = capsys.readouterr()
    return code, told.out, told.err


def test_without_an_engine_the_command_that_installs_it_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = run("up", "--model", "gpt2", "--random-weights", "--port", 0, capsys=capsys)
    assert code == 3
    assert "engine (vLLM 0.32.0) is not installed" in said
    assert "homecluster engine install --c" in said


def test_beyond_loopback_a_key_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = run("up", "--model", "gpt2", "--host", "0.0.0.0", capsys=capsys)
    assert code == 2
    assert "--api-key-file" in said


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [
        ("abcdefghij0123456789", 0o644, "others on this PC may read"),
        ("short", 0o600, "no usable API key"),
        ("abcdefghij0123456789\nsecond line 12345", 0o600, "no usable API key"),
        ("", 0o600, "no usable API key"),
    ],
)
def test_a_key_file_that_does_not_guard_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str], content: str, mode: int, reason: str
) -> None:
    key = home / "key"
    key.write_text(content)
    key.chmod(mode)
    code, _, said = run("up", "--model", "gpt2", "--api-key-file", key, capsys=capsys)
    assert code == 2
    assert reason in said
    assert not content or content not in said


def test_a_taken_port_is_told_before_the_engine_is_looked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code, _, said = run("up", "--model", "gpt2", "--port", port, capsys=capsys)
    assert code == 3
    assert f"port {port} of 127.0.0.1 is taken" in said


def test_a_model_that_does_not_fit_is_an_answer_with_its_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = run("up", "--model", "bloom-176b", capsys=capsys)
    assert code == 1
    assert "bloom-176b cannot run here" in said
    assert "--all shows every refusal" in said


def test_neither_model_nor_plan_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = run("up", capsys=capsys)
    assert code == 2
    assert "--model gpt2" in said


def test_a_dry_run_needs_no_engine_and_prints_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run("up", "--model", "gpt2", "--random-weights", "--dry-run", capsys=capsys)
    assert code == 0
    assert "vllm.entrypoints.openai.api_server" in out
    assert "VLLM_NO_USAGE_STATS=1" in out


def dry_run_document(*arguments: object, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, out, _ = run("up", *arguments, "--dry-run", "--json", capsys=capsys)
    assert code == 0
    return json.loads(out)


def test_a_dry_run_as_json_is_a_plan_with_its_commands_and_can_be_launched_again(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--model", "gpt2", "--concurrency", 4, "--prompt-tokens", 100, "--speculate", "ngram")
    first = dry_run_document(*asked, capsys=capsys)
    (command,) = first["plans"][0]["commands"]
    assert "--speculative-config" in command["argv"]
    assert command["argv"][1:3] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert command["env"]["VLLM_HOST_IP"] == "127.0.0.1"
    document = home / "plan.json"
    document.write_text(json.dumps(first))
    again = dry_run_document("--plan", document, capsys=capsys)
    assert again["workload"] == first["workload"]
    assert again["plans"][0]["commands"] == first["plans"][0]["commands"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": "homecluster.plan/1"}',
             '{"schema": "homecluster.plan/1", "plans": [{}], "workload": {}}'],
)  # fmt: skip
def test_a_plan_file_that_is_none_is_wrong_input(
    home: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    document = home / "plan.json"
    document.write_text(text)
    code, _, said = run("up", "--plan", document, capsys=capsys)
    assert code == 2
    assert "plan.json" in said


def test_without_jobs_looking_at_all_of_them_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run("status", capsys=capsys)
    assert (code, "no job is running" in out) == (0, True)
    assert run("status", "--json", capsys=capsys)[1].strip().startswith("{")
    assert run("down", "--all", capsys=capsys)[0] == 0


def test_help_is_there_for_every_verb() -> None:
    for verb in ("up", "down", "status", "logs", "bench", "engine"):
        shown = CliRunner().invoke(cli, [verb, "--help"])
        assert shown.exit_code == 0
        assert "--help" in shown.output


def test_pins_that_rule_out_every_layout_are_named_as_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, said = run("up", "--model", "gpt2", "--tensor-parallel", "5", capsys=capsys)
    assert code == 1
    assert "12 attention heads do not divide by 5" in said
    assert "cannot run here" not in said
