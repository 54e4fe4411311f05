"""Who this process is among those that train together, and how they meet; a launcher tells it by environment."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """As torch's launchers name them: RANK, WORLD_SIZE, LOCAL_RANK."""

    rank: int = 0
    world: int = 1
    local: int = 0


def ranks_from(environment: Mapping[str, str]) -> Ranks:
    """Alone where nobody said anything."""
    return Ranks(
        rank=int(environment.get("RANK", "0")),
        world=int(environment.get("WORLD_SIZE", "1")),
        local=int(environment.get("LOCAL_RANK", "0")),
    )


def meet(ranks: Ranks) -> None:
    """Join the process group; returns when all are there, and every rank heard from every other.

    A rank alone meets over a file, so that no port is needed. DeepSpeed would build an extension for ranks that
    share memory, which takes minutes on a busy PC; it is told that none can be built.
    """
    import deepspeed
    import torch

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(ranks.local)
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    os.environ |= {"RANK": str(ranks.rank), "WORLD_SIZE": str(ranks.world)}
    os.environ |= {"LOCAL_RANK": str(ranks.local), "LOCAL_SIZE": os.environ.get("LOCAL_WORLD_SIZE", "1")}  # fmt: skip
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    deepspeed.init_distributed(
        dist_backend="nccl" if cuda else "gloo",
        auto_mpi_discovery=False,
        verbose=False,
        init_method="env://" if ranks.world > 1 else _meeting_file(),
        rank=ranks.rank,
        world_size=ranks.world,
    )


def leave() -> None:
    """Leave the process group when all are done; gloo's threads would abort a rank that only exits."""
    from torch import distributed

    distributed.barrier()
    distributed.destroy_process_group()


def sum_over(value: float, ranks: Ranks, device: Any) -> float:
    """Of all ranks; collective where there are several."""
    if ranks.world == 1:
        return value
    import torch
    from torch import distributed

    total = torch.tensor(value, dtype=torch.float32, device=device)
    distributed.all_reduce(total)
    return float(total)


def tell_from_first(value: int, ranks: Ranks, device: Any) -> int:
    """The number that rank 0 knows; collective where there are several."""
    return round(sum_over(float(value if ranks.rank == 0 else 0), ranks, device))


def _meeting_file() -> str:
    handle, path = tempfile.mkstemp(prefix="hc-meet-")
    os.close(handle)
    atexit.register(Path(path).unlink, missing_ok=True)
    return f"file://{path}"
