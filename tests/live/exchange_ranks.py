"""Runs inside the engine environment: one rank of an exchange checks random tensors against the exact sum.

`exchange_ranks.py RANK RANKS FOLDER TENSORS SEED`: ranks meet through addresses in FOLDER, and each
prints a digest of everything it received: equal on all ranks.
"""

import hashlib
import json
import pickle
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch

from homecluster.domain.small_collectives import all_reduce_limit_bytes
from homecluster.jobs.vllm_plugin.exchange import Exchange
from homecluster.jobs.vllm_plugin.joining import CHOICE_VARIABLE, join

FLOATS = ("float64", "float32", "bfloat16", "float16")
INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "bool")


def all_gather_by_files(folder: Path, rank: int, ranks: int, mine: Any) -> list[Any]:
    part = folder / f"{rank}.part"
    part.write_bytes(pickle.dumps(mine))
    part.rename(folder / f"{rank}.card")
    seen = []
    for other in range(ranks):
        while not (path := folder / f"{other}.card").exists():
            time.sleep(0.01)
        seen.append(pickle.loads(path.read_bytes()))
    return seen


def tensor_of(rank: int, dtype: str, count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed * 8 + rank)
    kind = getattr(torch, dtype)
    if kind.is_floating_point:
        return (torch.randn(count, generator=generator, dtype=torch.float64) * 4).to(kind)
    return torch.randint(0, 2 if kind is torch.bool else 30, (count,), generator=generator).to(kind)


def agrees(got: torch.Tensor, parts: list[torch.Tensor]) -> bool:
    if got.dtype is torch.bool:
        return torch.equal(got, torch.stack(parts).any(dim=0))
    if not got.dtype.is_floating_point:
        return torch.equal(got, sum(parts[1:], parts[0]))
    exact = torch.stack([part.double() for part in parts]).sum(dim=0)
    magnitude = torch.stack([part.double().abs() for part in parts]).sum(dim=0)
    # Added in fp32 (or fp64) and rounded once to the dtype.
    inner = torch.finfo(torch.float64 if got.dtype is torch.float64 else torch.float32).eps
    bound = torch.finfo(got.dtype).eps / 2 * exact.abs() + len(parts) * inner * magnitude
    return bool(((got.double() - exact).abs() <= bound).all())


def main() -> None:
    rank, ranks, tensors, seed = (int(sys.argv[i]) for i in (1, 2, 4, 5))
    folder = Path(sys.argv[3])
    torch.set_num_threads(1)
    mesh = join(
        environment={CHOICE_VARIABLE: "exchange"}, rank=rank, ranks=ranks, group="tp:0",
        address="127.0.0.1", all_gather=lambda mine: all_gather_by_files(folder, rank, ranks, mine),
    )  # fmt: skip
    assert mesh is not None
    exchange = Exchange(mesh)
    (folder / f"{rank}.met").touch()
    limit_bytes = all_reduce_limit_bytes(ranks)
    draw = random.Random(seed)
    digest = hashlib.sha256()
    declined = 0
    for number in range(tensors):
        dtype = draw.choice(FLOATS + INTEGERS)
        width = getattr(torch, dtype).itemsize
        crossover = limit_bytes // width
        # Mostly small ones, some around the crossover on both sides.
        count = draw.choice([draw.randint(1, 64), draw.randint(1, 2000), crossover + draw.randint(-2, 1)] if number % 20 == 0 else [draw.randint(1, 64), draw.randint(1, 2000)])  # fmt: skip
        parts = [tensor_of(each, dtype, count, seed + number) for each in range(ranks)]
        tensor = parts[rank].clone()
        if not exchange.takes_all_reduce(tensor):
            assert count * width > limit_bytes
            declined += 1
            continue
        exchange.all_reduce(tensor)
        assert agrees(tensor, parts), (number, dtype, count)
        digest.update(tensor.view(torch.uint8).numpy())
        if number % 10 == 0:
            gathered = exchange.all_gather(parts[rank])
            assert all(map(torch.equal, gathered, parts))
            there = exchange.gather(parts[rank], number % ranks)
            assert (there is None) == (rank != number % ranks)
            assert there is None or all(map(torch.equal, there, parts))
    shaped = torch.arange(12.0).view(3, 4).t()  # not contiguous
    exchange.all_reduce(shaped)
    assert torch.equal(shaped, ranks * torch.arange(12.0).view(3, 4).t())
    exchange.close()
    sys.stdout.write(json.dumps({"digest": digest.hexdigest(), "declined": declined}) + "\n")


if __name__ == "__main__":
    main()
