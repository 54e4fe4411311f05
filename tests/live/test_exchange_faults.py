"""The exchange on a home that breaks: every rank ends with the reason, and nothing stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from homecluster.jobs.vllm_plugin.mesh import UNACKNOWLEDGED_LIMIT_MS
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.live.mesh_rank import BROKEN
from tests.ports import unused_port
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NAMES = ("a", "b", "c")
STALL_S = 3.0
"""The limit of a rank's patience here; 120 s by default."""

Process = subprocess.Popen[Any]


@contextmanager
def swapping(lab: Lab, limit_s: float) -> Iterator[dict[str, Process]]:
    """A rank on each host, all met."""
    addresses = ",".join(f"{lab.host(name).address}:{unused_port()}" for name in NAMES)
    with ExitStack() as stack:
        ranks = {
            name: stack.enter_context(
                lab.host(name).running(
                    [sys.executable, "-m", "tests.live.mesh_rank", str(rank), str(limit_s), addresses],
                    stdout=subprocess.PIPE, text=True,
                )
            )
            for rank, name in enumerate(NAMES)
        }  # fmt: skip
        for process in ranks.values():
            assert process.stdout is not None
            assert process.stdout.readline() == "met\n"
        yield ranks


def cut_the_link(lab: Lab, _ranks: dict[str, Process]) -> None:
    lab.link("c").down()


def stall(lab: Lab, _ranks: dict[str, Process]) -> None:
    """The process stands still; its kernel goes on to acknowledge."""
    lines = lab.host("c").run(["ps", "-ww", "-eo", "pid=,args="]).stdout.splitlines()
    (pid,) = [line.split()[0] for line in lines if "tests.live.mesh_rank 2" in line]
    lab.host("c").run(["kill", f"-{signal.SIGSTOP.value}", pid])


def kill(_lab: Lab, ranks: dict[str, Process]) -> None:
    ranks["c"].kill()


@pytest.mark.parametrize(
    ("strike", "patience_s", "limit_s"),
    [
        (cut_the_link, 120.0, 2 * UNACKNOWLEDGED_LIMIT_MS / 1000),
        (stall, STALL_S, 2 * STALL_S),
        (kill, 120.0, 5.0),
    ],
    ids=["link cut", "stall", "killed"],
)
def test_every_rank_left_ends_and_says_why(
    strike: Callable[[Lab, dict[str, Process]], None], patience_s: float, limit_s: float
) -> None:
    require_lab()
    with Lab("1gbe", hosts=3) as lab, swapping(lab, patience_s) as ranks:
        strike(lab, ranks)
        left = [ranks["a"], ranks["b"]]
        within(limit_s, lambda: all(rank.poll() is not None for rank in left))
        assert [rank.returncode for rank in left] == [BROKEN, BROKEN]
        said = [rank.stdout.read() for rank in left if rank.stdout is not None]
        assert any("rank 2" in line for line in said), said
        listening = lab.host("a").run(["ss", "-Hltn"]).stdout
        assert listening.strip() == ""
