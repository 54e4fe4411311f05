"""A CPU communicator that uses shared memory only where memory is shared; loaded inside vLLM only."""

from __future__ import annotations

import torch
from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator
from vllm.logger import init_logger

from homecluster.jobs.vllm_plugin.memory_identity import shared_memory_identity

log = init_logger("vllm.homecluster.communicator")


class SameMemoryCommunicator(CpuCommunicator):  # type: ignore[misc]  # vLLM is not here when types are checked
    """Besides the name, all ranks must see the same kernel and the same /dev/shm.

    vLLM compares a name made of the port alone, which also agrees between two PCs.
    """

    def _all_group_ranks_share_shm_group_name(self) -> bool:
        named_alike = bool(super()._all_group_ranks_share_shm_group_name())
        seen: list[str] = [""] * self.world_size
        torch.distributed.all_gather_object(seen, shared_memory_identity(), group=self.device_group)
        one_memory = len(set(seen)) == 1
        if not one_memory:
            log.info(
                "homecluster: the ranks of %s do not share memory: gloo carries their messages",
                self.unique_name,
            )
        return named_alike and one_memory
