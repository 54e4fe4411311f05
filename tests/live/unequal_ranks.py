"""Run by tests/live/test_unequal_batches.py inside the engine environment: one process's gradients against three's.

    python unequal_ranks.py FOLDER SHARES     e.g. 1,2,5

Every rank trains the same model on its share of one batch under DistributedDataParallel; the first compares the
averaged gradients with those of the whole batch in one process, and prints the largest relative difference.
"""

import os
import sys

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from homecluster.jobs.unequal_batches import loss_scale, shares_of_step

INPUTS, CLASSES = 24, 7


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(INPUTS, 48), nn.GELU(), nn.LayerNorm(48), nn.Linear(48, CLASSES)).double()  # fmt: skip


def batch(samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    made = torch.Generator().manual_seed(2)
    inputs = torch.randn(samples, INPUTS, generator=made, dtype=torch.float64)
    return inputs, torch.randint(CLASSES, (samples,), generator=made)


def gradients(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def rank_main(rank: int, folder: str, shares: list[int], scaled: bool, out) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet-{scaled}", rank=rank, world_size=len(shares)
    )
    model = DistributedDataParallel(network())
    inputs, labels = batch(sum(shares))
    start, own = sum(shares[:rank]), shares[rank]
    loss = nn.functional.cross_entropy(
        model(inputs[start : start + own]), labels[start : start + own]
    )
    total = shares_of_step(own)
    (loss * loss_scale(own, total, len(shares)) if scaled else loss).backward()
    if rank == 0:
        out.put(gradients(model.module).tolist())
    distributed.destroy_process_group()


def difference(folder: str, shares: list[int], *, scaled: bool) -> float:
    whole = network()
    inputs, labels = batch(sum(shares))
    nn.functional.cross_entropy(whole(inputs), labels).backward()
    context = multiprocessing.get_context("spawn")
    out = context.SimpleQueue()
    running = multiprocessing.spawn(
        rank_main, (folder, shares, scaled, out), nprocs=len(shares), join=False
    )
    shared = torch.tensor(out.get(), dtype=torch.float64)
    while not running.join():
        pass
    alone = gradients(whole)
    return float((shared - alone).abs().max() / alone.abs().max())


if __name__ == "__main__":
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    given = [int(part) for part in sys.argv[2].split(",")]
    found = [difference(sys.argv[1], given, scaled=scaled) for scaled in (True, False)]
    sys.stdout.write(" ".join(map(str, found)) + "\n")
