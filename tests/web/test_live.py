"""One live page for all of these: its looks go on as long as the process does."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.app.job_log import glance
from homecluster.domain.member import Health, Member
from homecluster.domain.model import ModelSpec
from homecluster.errors import InputError, MissingError
from homecluster.launch.bounded_log import earlier
from homecluster.store.cluster_document import load_cluster
from homecluster.store.job_store import JobFolder
from homecluster.store.models import find_model
from homecluster.store.paths import Paths
from homecluster.web.live import Live
from tests.fakes.members import FakeMembers, member
from tests.waiting import within
from tests.web.homes import HOTSPOT, ONE_REQUEST


class Agent(FakeMembers):
    """One that dies when it is told to."""

    is_dead = False

    def members(self) -> tuple[Member, ...]:
        if self.is_dead:
            raise MissingError("no agent runs on this PC")
        return super().members()


AGENT = Agent({}, {}, described=(member("alice", is_coordinator=True),))
READ: list[str] = []


def read(name: str) -> ModelSpec:
    READ.append(name)
    return find_model(name).spec


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Live:
    home = tmp_path_factory.mktemp("home")
    return Live(
        paths=Paths(home=home, engines=home), cluster=lambda: load_cluster(HOTSPOT),
        members=AGENT, find_spec=read, models=("opt-125m",), model="gpt2", workload=ONE_REQUEST,
    )  # fmt: skip


def test_the_model_of_the_command_line_is_offered_too(live: Live) -> None:
    assert live.page()["models"] == ["gpt2", "opt-125m"]
    assert live.what_if({})["model"] == "gpt2"
    assert live.what_if({"model": "opt-125m"})["model"] == "opt-125m"


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../", "owner/name", "llama-3-8b", "", None, ["x"]]
)
def test_a_question_makes_this_pc_read_and_ask_nothing(live: Live, name: object) -> None:
    with pytest.raises(InputError, match="offers no such model"):
        live.what_if({"model": name})
    assert set(READ) <= {"gpt2", "opt-125m"}


def test_an_agent_that_died_is_told_of_and_its_pcs_are_not_called_alive(live: Live) -> None:
    def health() -> list[str | None]:
        return [node["health"] for node in live.page()["cluster"]["nodes"]]

    assert Health.ALIVE.value in health()
    assert "trouble" not in live.page()
    AGENT.is_dead = True
    within(5, lambda: live.page().get("trouble") == "no agent runs on this PC")
    assert Health.ALIVE.value not in health()
    AGENT.is_dead = False
    within(5, lambda: "trouble" not in live.page())


def test_of_a_long_log_only_the_end_is_read(tmp_path: Path) -> None:
    folder = JobFolder(path=tmp_path)
    earlier(folder.engine_log).write_text("before it was rotated\n")
    folder.engine_log.write_text("x" * 1_000_000 + "\nalmost\nthe end\n")
    lines = glance(folder, 200)
    assert lines[0] == "before it was rotated"
    assert lines[-2:] == ("almost", "the end")
    assert sum(map(len, lines)) < 100_000
    assert glance(folder, 1) == ("the end",)
