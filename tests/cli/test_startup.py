"""The command line is instant: nothing heavy is loaded to answer a question from files."""

import os
import subprocess
import sys

import pytest

from tests.cli.shell import EXAMPLES

ENGINE = ("torch", "ray", "vllm", "transformers", "numpy", "pydantic")
HEAVY = (*ENGINE, "rich", "zeroconf")


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `code`."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print('\\n', *{{m.partition('.')[0] for m in sys.modules}})"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return set(ended.stdout.splitlines()[-1].split())


def running(*arguments: str) -> str:
    return f"""
import sys
sys.argv = ["homecluster", *{arguments!r}]
from homecluster.cli.main import main
try:
    main()
except SystemExit as ended:
    assert ended.code == 0, ended.code
"""


@pytest.mark.parametrize(
    "code", ["import homecluster.cli.main", running("--help"), running("--version")]
)
def test_help_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) & set(HEAVY) == set()


@pytest.mark.parametrize("command", ["plan", "diagnose"])
def test_the_help_of_a_command_loads_no_engine_and_no_network(command: str) -> None:
    assert loaded_by(running(command, "--help")) & {*ENGINE, "zeroconf"} == set()


@pytest.mark.parametrize(("command", "more"), [("plan", 0), ("diagnose", 10)])
def test_only_a_diagnosis_gives_way_to_what_it_watches(command: str, more: int) -> None:
    niceness = min(19, os.nice(0) + more)
    loaded_by(f"{running(command, '--help')}\nimport os\nassert os.nice(0) == {niceness}")


def test_planning_from_files_loads_no_engine_no_network_and_no_gpu_library() -> None:
    code = running("plan", "--model", "gpt2", "--cluster", str(EXAMPLES / "hotspot.toml"))
    assert loaded_by(code) & {*ENGINE, "zeroconf", "psutil", "pynvml", "huggingface_hub"} == set()
