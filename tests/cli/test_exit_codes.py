"""One rule for exit codes: 2, another word would do; 3, this PC lacks something; 1, no word would."""

from pathlib import Path

import pytest

from tests.cli.shell import run

TRAIN = ("up", "--train", "--random-weights", "--data", "rows.jsonl", "--output", "tuned")
UNFIT = "llama-2-70b"


@pytest.fixture(autouse=True)
def _a_pc_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "engines"))
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text('{"prompt": "1 plus ", "completion": "1"}\n' * 60)


@pytest.mark.parametrize("typed", [("down",), ("bench",), ("logs",), ("logs", "--follow")])
def test_where_no_job_runs_the_hint_starts_one(typed: tuple[str, ...]) -> None:
    ran = run(*typed)
    assert (ran.code, ran.out) == (3, "")
    assert "homecluster up --model gpt2" in ran.err


@pytest.mark.parametrize(
    "typed",
    [
        ("nodes",), ("token",), ("leave",), ("revoke", "b"), ("logs", "--agent"),
        ("probe", "--between", "a", "b"), ("engine", "install", "--from-peers"),
    ],
)  # fmt: skip
def test_where_there_is_no_cluster_the_hint_makes_one(typed: tuple[str, ...]) -> None:
    ran = run(*typed)
    assert (ran.code, ran.out) == (3, "")
    assert "hint: homecluster join makes it a member." in ran.err


@pytest.mark.parametrize("verb", ["down", "bench", "logs", "status", "diagnose"])
def test_a_job_that_nobody_knows_is_wrong_input(verb: str) -> None:
    ran = run(verb, "gpt2-8000-none")
    assert ran.code == 2
    assert "no job is called 'gpt2-8000-none'" in ran.err


@pytest.mark.parametrize(
    "typed",
    [
        ("plan", "--model", UNFIT),
        ("up", "--model", UNFIT, "--random-weights"),
        ("plan", "--train", "--model", UNFIT),
        (*TRAIN, "--model", UNFIT),
        (*TRAIN, "--model", UNFIT, "--dry-run"),
    ],
)
def test_what_fits_nowhere_is_an_answer(typed: tuple[str, ...]) -> None:
    ran = run(*typed)
    assert ran.code == 1
    assert f"{UNFIT} cannot" in ran.out + ran.err


def test_the_agents_log_is_shown_without_a_job(tmp_path: Path) -> None:
    log = tmp_path / "home" / "agent" / "agent.log"
    log.parent.mkdir(parents=True)
    log.write_text("one\ntwo\nthree\n")
    assert run("logs", "--agent", "--lines", "2").out == "two\nthree\n"
    assert run("logs", "--agent", "--json").document["lines"] == ["one", "two", "three"]
    assert run("logs", "--agent", "gpt2-8000-none").code == 2
    assert run("logs", "--agent", "--json", "--follow").code == 2
