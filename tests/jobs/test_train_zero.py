"""The training job as far as it needs no torch: what it refuses before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.errors import InputError
from homecluster.jobs import train_checkpoints
from homecluster.jobs.train_zero import CHECKPOINTS, Settings, train

SETTINGS = Settings(
    method="full",
    sequence=8,
    batch=4,
    micro_batch=2,
    steps=None,
    save_every=2,
    lora_rank=4,
    seed=0,
    deepspeed={},
)


def test_another_trainings_output_is_not_overwritten(tmp_path: Path) -> None:
    train_checkpoints.save(tmp_path / CHECKPOINTS, 6, 1, lambda folder: (folder / "w").touch())
    with pytest.raises(InputError, match="reached step 6") as caught:
        train(tmp_path, tmp_path / "rows.jsonl", tmp_path, SETTINGS, resume=False)
    assert "--resume" in (caught.value.hint or "")


def test_a_batch_is_so_many_micro_batches() -> None:
    assert SETTINGS.accumulation == 2
