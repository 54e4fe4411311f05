"""Trainings that a recipe compares: each is real ranks of `train_zero` on this PC, to their end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Offload
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.launch.gang_ports import free_ports

ADDRESS: Final = "127.0.0.1"
_LIMIT_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One training on CPU ranks; `batch` samples per step, shared equally."""

    model: Path
    rows: Path
    output: Path
    method: str = "full"
    stage: int = 0
    ranks: int = 1
    batch: int = 8
    sequence: int = 64
    steps: int | None = None
    held_out: float = 0.0
    learning_rate: float = 2e-4
    lora_rank: int = 16


def trained(trial: Trial) -> dict[str, Any]:
    """What rank 0 measured.

    Raises:
        RuntimeError: a rank failed; with the last of its words.
    """
    trial.output.mkdir(parents=True)
    settings = trial.output / "settings.json"
    settings.write_text(json.dumps(_settings(trial)))
    port = free_ports(ADDRESS, 1)
    ranks = [_start(trial, settings, rank, port) for rank in range(trial.ranks)]
    try:
        told = [rank.communicate(timeout=_LIMIT_S) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for rank, (_, said) in zip(ranks, told, strict=True):
        if rank.returncode != 0:
            raise RuntimeError(f"a rank ended with {rank.returncode}: {said[-1500:]}")
    document = json.loads(told[0][0].strip().splitlines()[-1])
    assert isinstance(document, dict)
    return document


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def _settings(trial: Trial) -> dict[str, Any]:
    share = trial.batch // trial.ranks
    return {
        "method": trial.method,
        "sequence": trial.sequence,
        "micro_batches": [share] * trial.ranks,
        "accumulation": 1,
        "steps": trial.steps,
        "save_every": 1_000_000,
        "lora_rank": trial.lora_rank,
        "seed": 0,
        "held_out": trial.held_out,
        "deepspeed": deepspeed_config(
            kind=DeviceKind.CPU,
            dtype=DType.BF16,
            zero_stage=trial.stage,
            offload=Offload.NONE,
            overlap=False,
            micro_batch=share,
            gradient_accumulation=1,
            learning_rate=trial.learning_rate,
        ),
    }


def _start(trial: Trial, settings: Path, rank: int, port: int) -> subprocess.Popen[str]:
    cores = max(1, len(os.sched_getaffinity(0)) // trial.ranks)
    its = {
        "RANK": str(rank), "WORLD_SIZE": str(trial.ranks), "MASTER_ADDR": ADDRESS, "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": str(cores), "GLOO_SOCKET_IFNAME": "lo", "DS_ACCELERATOR": "cpu",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "homecluster.jobs.train_zero", "--model", str(trial.model),
         "--data", str(trial.rows), "--output", str(trial.output), "--settings", str(settings)],
        env=os.environ | its, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
