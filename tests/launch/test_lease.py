import json
from pathlib import Path

import pytest

from homecluster.launch import lease


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(lease, "_now_s", lambda: now[0])
    return now


def test_a_job_without_a_lease_is_never_overdue(tmp_path: Path) -> None:
    assert lease.overdue_s(tmp_path) is None


def test_a_lease_holds_until_its_time_and_again_once_renewed(
    tmp_path: Path, clock: list[float]
) -> None:
    lease.write_lease(tmp_path, 30.0)
    clock[0] = 1030.0
    assert lease.overdue_s(tmp_path) is None
    clock[0] = 1031.5
    assert lease.overdue_s(tmp_path) == 1.5
    lease.write_lease(tmp_path, 30.0)
    assert lease.overdue_s(tmp_path) is None


def test_a_lease_of_before_the_restart_and_one_that_is_damaged_have_run_out(
    tmp_path: Path, clock: list[float]
) -> None:
    del clock
    lease.write_lease(tmp_path, 30.0)
    file = tmp_path / lease.FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | {"boot_id": "another"}))
    assert lease.overdue_s(tmp_path) == 30.0
    file.write_text("{")
    assert lease.overdue_s(tmp_path) == 1.0


def test_a_fresh_lease_is_not_written_again_and_a_shorter_one_is(
    tmp_path: Path, clock: list[float]
) -> None:
    lease.write_lease(tmp_path, 30.0)
    before = (tmp_path / lease.FILE).stat().st_ino
    clock[0] = 1002.0
    lease.write_lease(tmp_path, 30.0)
    assert (tmp_path / lease.FILE).stat().st_ino == before
    lease.write_lease(tmp_path, 10.0)
    clock[0] = 1012.5
    assert lease.overdue_s(tmp_path) == 0.5
