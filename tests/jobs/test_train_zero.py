"""The training job as far as it needs no torch: what it refuses before anything heavy is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.errors import InputError
from homecluster.jobs import train_checkpoints
from homecluster.jobs.train_engine import Settings
from homecluster.jobs.train_ranks import Ranks, ranks_from
from homecluster.jobs.train_zero import CHECKPOINTS, train

SETTINGS = Settings(
    method="full",
    sequence=8,
    micro_batches=[2, 1, 1],
    accumulation=2,
    steps=None,
    save_every=2,
    lora_rank=4,
    seed=0,
    held_out=0.0,
    deepspeed={},
)


def test_another_trainings_output_is_not_overwritten(tmp_path: Path) -> None:
    train_checkpoints.save(tmp_path / CHECKPOINTS, 6, 1, lambda folder: (folder / "w").touch())
    with pytest.raises(InputError, match="reached step 6") as caught:
        train(tmp_path, tmp_path / "rows.jsonl", tmp_path, SETTINGS, Ranks(), resume=False)
    assert "--resume" in (caught.value.hint or "")


def test_a_batch_is_what_all_ranks_take_in_all_micro_steps() -> None:
    assert SETTINGS.batch == (2 + 1 + 1) * 2


def test_ranks_are_told_by_environment() -> None:
    told = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    assert ranks_from(told) == Ranks(rank=3, world=4, local=1)
    assert ranks_from({}) == Ranks(rank=0, world=1, local=0)
