"""A copy of a model that nobody goes on with gives the disk back."""

import fcntl
import os
import time
from pathlib import Path

from homecluster.app.file_pull import lock_of, partial_of
from homecluster.app.partial_copies import KEPT_S, forget_abandoned

NOW_S = time.time()


def partial(models: Path, name: str, *, age_s: float) -> Path:
    """Half of a model; its newest file is that old."""
    folder = partial_of(models / name)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"half")
    for path in (folder / "model.safetensors", folder):
        os.utime(path, (NOW_S - age_s, NOW_S - age_s))
    return folder


def test_only_what_is_old_and_not_being_filled_is_removed(tmp_path: Path) -> None:
    fresh = partial(tmp_path, "fresh", age_s=KEPT_S - 60)
    old = partial(tmp_path, "old", age_s=KEPT_S + 60)
    filled = partial(tmp_path, "filled", age_s=KEPT_S + 60)
    whole = tmp_path / "whole"
    whole.mkdir()
    with lock_of(filled).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        gone = forget_abandoned(tmp_path, now_s=NOW_S)
    assert gone == (old.name,)
    assert (fresh.exists(), old.exists(), filled.exists(), whole.exists()) == (True, False, True, True)  # fmt: skip


def test_a_growing_file_keeps_its_folder(tmp_path: Path) -> None:
    folder = partial(tmp_path, "slow", age_s=KEPT_S + 60)
    os.utime(folder / "model.safetensors", (NOW_S, NOW_S))  # appending does not touch the folder
    assert forget_abandoned(tmp_path, now_s=NOW_S) == ()


def test_without_models_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert forget_abandoned(tmp_path / "none", now_s=NOW_S) == ()
