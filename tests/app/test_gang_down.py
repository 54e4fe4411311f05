"""Ending a gang's shares from any PC, also when nobody leads them any more."""

from pathlib import Path
from typing import Any

import pytest

from homecluster.app import gang_share
from homecluster.app.gang_down import PlacedShare, end_shares, shares_of_job
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Stopped
from homecluster.domain.member import Health
from homecluster.errors import InputError, LaunchError
from homecluster.store.job_store import state_table
from homecluster.store.paths import Paths
from tests.fakes.gangs import fake_cluster
from tests.fakes.members import FakeMembers, member


class Shares:
    """Answers of PCs on which `job.0` and `job.1` run, until each was asked to stop so often."""

    def __init__(self, asks_needed: int) -> None:
        self.left = {"a": asks_needed, "b": asks_needed}

    def listed(self, paths: Paths, _: object) -> dict[str, Any]:
        node = paths.home.name
        job = "job" if self.left[node] else "other"
        return {"shares": [{"share": f"{job}.{'ab'.index(node)}", "job": job, "led_by": "a"}]}

    def stop(self, paths: Paths, _: object) -> dict[str, Any]:
        node = paths.home.name
        self.left[node] -= 1
        state = "starting" if self.left[node] > 0 else "stopped"
        return {"state": state, "phase": "p", "reason": "r"}

    def members(self, **changes: Any) -> FakeMembers:
        handlers = {"share.list": self.listed, "share.stop": self.stop}
        described = (member("a"), member("b", "127.0.0.2", **changes))
        return FakeMembers(
            {name: Paths(home=Path(name), engines=Path("engines")) for name in "ab"},
            handlers,
            described,
        )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homecluster.app.gang_down._ASK_AGAIN_S", 0.01)


def test_the_shares_of_a_job_are_found_on_every_pc_and_ended() -> None:
    shares = Shares(asks_needed=2)
    members = shares.members()
    found = shares_of_job(members, "job")
    assert found == (
        PlacedShare(node=NodeId("a"), share="job.0"),
        PlacedShare(node=NodeId("b"), share="job.1"),
    )
    end_shares(members, found)
    assert shares.left == {"a": 0, "b": 0}
    assert shares_of_job(members, "job") == ()


def test_a_pc_that_is_away_hinders_nobody() -> None:
    shares = Shares(asks_needed=1)
    assert len(shares_of_job(shares.members(health=Health.DEAD), "job")) == 1
    members = shares.members()
    members.cut.add("b")
    end_shares(members, shares_of_job(members, "job"))
    assert shares.left == {"a": 0, "b": 1}


def test_a_share_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homecluster.app.gang_down.END_WITHIN_S", 0.05)
    members = Shares(asks_needed=10**9).members()
    with pytest.raises(LaunchError, match=r"job\.0 on a"):
        end_shares(members, (PlacedShare(node=NodeId("a"), share="job.0"),))


def test_stopped_is_what_ends_the_asking() -> None:
    assert state_table(Stopped(reason="r"))["state"] == "stopped"


def test_a_share_that_is_not_here_is_an_input_error(tmp_path: Path) -> None:
    with fake_cluster(tmp_path) as cluster:
        for verb in (gang_share.look, gang_share.stop):
            with pytest.raises(InputError, match="no share"):
                verb(cluster.homes["a"], {"share": "job.0", "lease_s": 20})
        assert gang_share.listed(cluster.homes["a"]) == {"shares": []}


@pytest.mark.parametrize("name", ["../x.0", "x", "x.0/..", "", None, 7])
def test_a_name_that_is_none_reaches_no_file(tmp_path: Path, name: object) -> None:
    with fake_cluster(tmp_path) as cluster, pytest.raises(InputError):
        gang_share.stop(cluster.homes["a"], {"share": name})
