"""What leaves the program whatever the command: help that can be read, harmless errors, telling exit codes."""

import subprocess
import sys

import pytest

from homecluster.cli import boundary
from homecluster.cli.main import VERBS
from homecluster.errors import InputError
from tests.cli.shell import EXAMPLES, run

PLAN = f"{sys.executable} -m homecluster plan --model gpt2 --cluster {EXAMPLES / 'hotspot.toml'}"


def shell(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("verb", [(), *((verb,) for verb in VERBS)])
def test_help_fits_its_terminal_and_shows_no_mark_of_its_own_source(verb: tuple[str, ...]) -> None:
    ran = run(*verb, "--help", columns=80)
    assert (ran.code, "\\b" in ran.out, "\b" in ran.out) == (0, False, False), ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines()), ran.out
    assert "..." not in ran.out.replace("[ARGS]...", ""), ran.out


def test_examples_in_a_help_keep_their_lines() -> None:
    assert "  homecluster plan --model gpt2\n" in run("plan", "--help").out


def test_a_foreign_name_in_an_error_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise InputError("no PC \x1b[2J\r\u202eevil", hint="line\nand \x07line")

    assert boundary.run(command) == 2
    assert capsys.readouterr().err == (
        "error: no PC \\x1b[2J\\r\\u202eevil\n  hint: line\nand \\x07line\n"
    )


@pytest.mark.parametrize("flag", ["", " --json"])
def test_a_reader_that_went_away_is_not_the_answer_no(flag: str) -> None:
    ended = shell(PLAN + flag + " | (exec <&-); exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr) == (boundary.PIPE_CLOSED, "")


@pytest.mark.parametrize("flag", ["", " --json"])
def test_output_to_a_full_disk_is_told_without_a_traceback(flag: str) -> None:
    ended = shell(PLAN + flag + " > /dev/full")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.startswith("error: the output cannot be written")
    assert "Traceback" not in ended.stderr


def test_nobody_else_may_write_what_is_made_whatever_the_umask() -> None:
    script = (
        "import os, sys; from homecluster.cli.main import main; os.umask(0); sys.argv[1:] = ['--version']\n"
        "try: main()\nexcept SystemExit: print(oct(os.umask(0)))"
    )
    ended = shell(f'{sys.executable} -c "{script}"')
    assert ended.stdout.splitlines()[-1] == "0o22"


def test_a_narrow_terminal_still_shows_where_each_plan_runs_and_whole_figures() -> None:
    ended = shell(f"TERM=xterm FORCE_COLOR=1 NO_COLOR=1 COLUMNS=80 {PLAN}")
    assert "alice, bob" in ended.stdout
    assert "…" not in ended.stdout
