"""What `doctor --fix` changes, and what it leaves alone; and the command as it is typed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from homecluster.app import doctor
from homecluster.domain.check import Check, Mark, passed, warned
from homecluster.store.paths import Paths
from tests.cli.shell import run


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(home=tmp_path / "home", engines=tmp_path / "engines")


def test_a_state_directory_that_all_may_read_becomes_private(paths: Paths) -> None:
    paths.home.mkdir(mode=0o755)

    (done,) = doctor.mend(paths, (warned("state", "open", "chmod", mends="make-state-private"),))

    assert stat.S_IMODE(paths.home.stat().st_mode) == 0o700
    assert done.id == "state"


def test_what_passes_is_not_touched(paths: Paths) -> None:
    assert doctor.mend(paths, (passed("state", "fine"),)) == ()


def test_what_needs_a_person_is_left_to_one(paths: Paths) -> None:
    assert doctor.mend(paths, (warned("names", "loopback", "edit /etc/hosts"),)) == ()


def test_an_act_that_fails_is_told_and_stops_no_other(paths: Paths) -> None:
    checks = (
        warned("state", "open", "chmod", mends="make-state-private"),  # there is no such directory
        warned("leftovers", "left", "kill", mends="end-leftovers"),
    )

    assert [one.did.startswith("could not") for one in doctor.mend(paths, checks)] == [True, False]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [((), Mark.PASS), ((Mark.PASS, Mark.WARN), Mark.WARN), ((Mark.WARN, Mark.FAIL), Mark.FAIL)],
)
def test_the_worst_mark_counts(marks: tuple[Mark, ...], expected: Mark) -> None:
    checks = tuple(Check(id="x", mark=mark, says="") for mark in marks)

    assert doctor.worst(checks) is expected


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    monkeypatch.setenv("HOMECLUSTER_HOME", str(home))
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(tmp_path / "engines"))
    return home


def test_the_document_lists_every_check_with_its_fix(elsewhere: Path) -> None:
    del elsewhere
    ran = run("doctor", "--json")

    assert ran.document["schema"] == "homecluster.doctor/1"
    assert ran.document["ok"] == (ran.code == 0)
    for check in ran.document["checks"]:
        assert set(check) == {"id", "mark", "says", "fix", "mends"}
        assert check["fix"] or check["mark"] == "pass"


def test_fix_mends_and_looks_again(elsewhere: Path) -> None:
    ran = run("doctor", "--json", "--fix")

    (state,) = [check for check in ran.document["checks"] if check["id"] == "state"]
    assert state["mark"] == "pass"
    assert "state" in {one["id"] for one in ran.document["mended"]}
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o700


def test_without_fix_nothing_is_changed(elsewhere: Path) -> None:
    run("doctor")

    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o755
