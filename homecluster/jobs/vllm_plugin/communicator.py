"""A CPU communicator that uses shared memory only where memory is shared, and a swift exchange between PCs.

Loaded inside vLLM only.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator
from vllm.logger import init_logger
from vllm.utils.network_utils import get_ip

from homecluster.domain.small_collectives import MOST_RANKS
from homecluster.jobs.vllm_plugin.exchange import Exchange
from homecluster.jobs.vllm_plugin.joining import join
from homecluster.jobs.vllm_plugin.memory_identity import shared_memory_identity

log = init_logger("vllm.homecluster.communicator")


class HomeCommunicator(CpuCommunicator):  # type: ignore[misc]  # vLLM is not here when types are checked
    """Besides the name, all ranks must see the same kernel and the same /dev/shm.

    vLLM compares a name made of the port alone, which also agrees between two PCs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._exchange: Exchange | None = None
        self._one_memory: bool | None = None
        super().__init__(*args, **kwargs)
        if self.unique_name.startswith("tp") and not self._share_memory():
            self._exchange = self._joined()

    def _all_group_ranks_share_shm_group_name(self) -> bool:
        named_alike = bool(super()._all_group_ranks_share_shm_group_name())
        return named_alike and self._share_memory()

    def _share_memory(self) -> bool:
        """Asked of all ranks once."""
        if self._one_memory is None:
            seen = self._all_gather_object(shared_memory_identity())
            self._one_memory = len(set(seen)) == 1
            if not self._one_memory:
                log.info(
                    "homecluster: the ranks of %s do not share memory: gloo carries their messages",
                    self.unique_name,
                )
        return self._one_memory

    def _joined(self) -> Exchange | None:
        if self.world_size > MOST_RANKS:
            return None
        mesh = join(
            environment=os.environ,
            rank=self.rank_in_group,
            ranks=self.world_size,
            group=self.unique_name,
            address=get_ip(),
            all_gather=self._all_gather_object,
        )
        if mesh is None:
            return None
        log.info(
            "homecluster: small collectives of %s go by direct exchange (%d ranks)",
            self.unique_name,
            self.world_size,
        )
        return Exchange(mesh)

    def _all_gather_object(self, mine: Any) -> list[Any]:
        seen: list[Any] = [None] * self.world_size
        torch.distributed.all_gather_object(seen, mine, group=self.device_group)
        return seen

    def all_reduce(self, input_: torch.Tensor) -> torch.Tensor:
        if self._exchange is not None and self._exchange.takes_all_reduce(input_):
            self._exchange.all_reduce(input_)
            return input_
        return super().all_reduce(input_)

    def all_gather(self, input_: torch.Tensor, dim: int = -1) -> torch.Tensor:
        if self._exchange is not None and self._exchange.takes_gather(input_):
            return torch.cat(self._exchange.all_gather(input_), dim=dim)
        return super().all_gather(input_, dim)

    def gather(self, input_: torch.Tensor, dst: int = 0, dim: int = -1) -> torch.Tensor | None:
        if self._exchange is not None and self._exchange.takes_gather(input_):
            parts = self._exchange.gather(input_, dst)
            return None if parts is None else torch.cat(parts, dim=dim)
        return super().gather(input_, dst, dim)

    def destroy(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
        super().destroy()
