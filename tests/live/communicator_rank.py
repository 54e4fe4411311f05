"""Runs inside the engine environment: one rank of our communicator in vLLM's place, against torch's own sums.

`communicator_rank.py RANK RANKS FOLDER CHOICE`. The ranks are processes of one PC that are told they are not.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import distributed


def main() -> None:
    rank, ranks, folder, choice = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    os.environ |= {
        "VLLM_HOST_IP": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "VLLM_DIST_IDENT": "test",
        "HOMECLUSTER_SMALL_COLLECTIVES": choice,
    }  # fmt: skip
    torch.set_num_threads(1)
    store = distributed.FileStore(str(folder / "store"), ranks)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=ranks)
    from homecluster.jobs.vllm_plugin import communicator  # noqa: PLC0415 - imports vLLM

    group = distributed.group.WORLD
    with mock.patch.object(communicator, "shared_memory_identity", return_value=f"PC {rank}"):
        made = communicator.HomeCommunicator(
            cpu_group=group, device=torch.device("cpu"), device_group=group, unique_name="tp:0"
        )
    facts = {"exchanges": made._exchange is not None, "agrees": compare(made, rank, ranks)}
    made.destroy()
    sys.stdout.write("\n" + json.dumps(facts) + "\n")


def compare(made: Any, rank: int, ranks: int) -> bool:
    """Small and large tensors; integers in floats, so that every order of adding gives the same."""
    right = True
    for count in (5, 768, 200_000):
        own = [torch.arange(count, dtype=torch.float32).remainder(97).view(1, -1) + each for each in range(ranks)]  # fmt: skip
        summed = made.all_reduce(own[rank].clone())
        right &= torch.equal(summed, sum(own[1:], own[0]))
        everywhere = made.all_gather(own[rank])
        right &= torch.equal(everywhere, torch.cat(own, dim=-1))
        at_last = made.gather(own[rank], ranks - 1)
        right &= (at_last is None) == (rank != ranks - 1)
        right &= at_last is None or torch.equal(at_last, torch.cat(own, dim=-1))
    return bool(right)


if __name__ == "__main__":
    main()
