"""A checkpoint is whole or it is not there."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from homecluster.errors import MissingError
from homecluster.jobs import train_checkpoints as checkpoints


def write(folder: Path) -> None:
    (folder / "weights").write_text("w")


def test_the_newest_is_found_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    for step in (5, 10, 15):
        checkpoints.save(tmp_path, step, 1, write)
    assert checkpoints.steps(tmp_path) == [10, 15]
    assert checkpoints.newest(tmp_path) == 15


def test_without_any_there_is_none(tmp_path: Path) -> None:
    assert checkpoints.newest(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "trouble",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file")],
)  # fmt: skip
def test_a_full_disk_leaves_the_one_before_intact(tmp_path: Path, trouble: Exception) -> None:
    checkpoints.save(tmp_path, 5, 1, write)

    def fails(folder: Path) -> None:
        (folder / "half").write_text("h")
        raise trouble

    with pytest.raises(MissingError, match="step 5 is intact") as caught:
        checkpoints.save(tmp_path, 10, 1, fails)
    assert "--resume" in (caught.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["step-5"]


def test_what_cannot_fit_is_not_begun(tmp_path: Path) -> None:
    def never(_folder: Path) -> None:
        raise AssertionError("begun")

    with pytest.raises(MissingError, match="there is none before it"):
        checkpoints.save(tmp_path, 5, 1 << 60, never)


def test_leftovers_of_a_crash_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / ".partial-5").mkdir()
    assert checkpoints.newest(tmp_path) is None
    checkpoints.save(tmp_path, 5, 1, write)
    assert checkpoints.steps(tmp_path) == [5]
