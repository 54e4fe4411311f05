"""Unequal micro-batches that train exactly as equal ones would: the loss of each rank is scaled by its share.

Data parallelism averages the ranks' gradients as if all had seen as much. With b_i samples (or tokens that
count in the loss) on rank i of N, and each rank's loss the mean over its own,

    scale_i = b_i N / sum(b)    gives    1/N sum(scale_i grad mean_i) = grad of the mean over everything.

Over several micro-steps, `sum(b)` is the whole global batch, and scaled losses add up without a further
division. DeepSpeed divides by its accumulation steps itself: `accumulation` takes that back.
"""

from __future__ import annotations


def loss_scale(own: int, total: int, ranks: int, *, accumulation: int = 1) -> float:
    """What a rank multiplies its mean loss with.

    Args:
        own: samples (or tokens) of this rank in this micro-step; 0 for a rank that sits one out.
        total: of all ranks in all micro-steps of the optimiser step.
        ranks: that average their gradients.
        accumulation: micro-steps by which the framework divides each loss.
    """
    if not 0 <= own <= total or total < 1 or min(ranks, accumulation) < 1:
        raise ValueError(f"{own} of {total} samples on {ranks} ranks is no share")
    return own * ranks * accumulation / total


def shares_of_step(own: int, accumulation: int = 1) -> int:
    """Samples of all ranks and micro-steps; every rank calls it with its own number per micro-step.

    One all-reduce of a single number. The numbers may differ from step to step.
    """
    import torch
    from torch import distributed

    count = torch.tensor([own * accumulation], dtype=torch.int64)
    distributed.all_reduce(count)
    return int(count.item())
