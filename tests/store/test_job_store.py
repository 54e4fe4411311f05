from pathlib import Path

import pytest

from homecluster.domain.ids import NodeId
from homecluster.domain.job import Failed, JobState, Running, Starting, Stopped
from homecluster.errors import InputError
from homecluster.store.job_store import (
    JobEntry,
    JobFolder,
    Owner,
    job_folders,
    read_entry,
    read_launch,
    write_entry,
)

STATES: list[JobState] = [
    Starting(phase="loading weights"),
    Running(start_up_s=31.5),
    Running(start_up_s=31.5, phases=(("starting", 30.0), ("loading weights", 1.5))),
    Stopped(reason="asked to stop"),
    Failed(node=NodeId("desk"), reason="ValueError: no", log_tail=("a", "b")),
]


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    return JobFolder(path=tmp_path / "gpt2-8000-abcd")


@pytest.mark.parametrize("state", STATES, ids=lambda state: type(state).__name__)
def test_a_state_is_read_as_it_was_written(folder: JobFolder, state: JobState) -> None:
    owner = Owner(boot_id="b", pid=7, start_ticks=99)
    entry = JobEntry(
        state=state, owner=owner, group="/sys/g", written_at="2026-11-21T00:00:00+00:00"
    )
    write_entry(folder, entry)
    assert read_entry(folder) == entry


def test_a_supervisor_that_has_not_written_yet_has_no_state(folder: JobFolder) -> None:
    assert read_entry(folder) is None


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"schema": "homecluster.job/2"}', '{"schema": "homecluster.job/1"}',
     '{"schema": "homecluster.job/1", "state": "dancing", "owner": {}}'],
)  # fmt: skip
def test_a_damaged_state_is_wrong_input_and_names_its_file(folder: JobFolder, text: str) -> None:
    folder.path.mkdir()
    folder.state_file.write_text(text)
    with pytest.raises(InputError, match=r"state\.json"):
        read_entry(folder)


def test_a_damaged_launch_is_wrong_input(folder: JobFolder) -> None:
    folder.path.mkdir()
    folder.launch_file.write_text('{"schema": "homecluster.launch/1", "spec": 3}')
    with pytest.raises(InputError, match=r"launch\.json"):
        read_launch(folder)


def test_only_folders_that_hold_a_launch_are_jobs(tmp_path: Path, folder: JobFolder) -> None:
    (tmp_path / "not-a-job").mkdir()
    folder.path.mkdir()
    folder.launch_file.write_text("{}")
    assert job_folders(tmp_path) == (folder,)
    assert job_folders(tmp_path / "nowhere") == ()
