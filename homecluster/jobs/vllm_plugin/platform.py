"""vLLM's CPU platform with a Ray resource, our worker and our communicator; loaded inside vLLM only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm.platforms.cpu import CpuPlatform

if TYPE_CHECKING:
    from vllm.config import VllmConfig

STOCK_WORKER = "vllm.v1.worker.cpu_worker.CPUWorker"
STOCK_COMMUNICATOR = "vllm.distributed.device_communicators.cpu_communicator.CpuCommunicator"


class HomeclusterCpuPlatform(CpuPlatform):  # type: ignore[misc]  # vLLM is not here when types are checked
    """Replaces only what is still stock, so that a user's own worker class is kept."""

    # vLLM on Ray asks for one of these for each worker; `ray start --num-gpus 1` offers it.
    ray_device_key = CpuPlatform.ray_device_key or "GPU"

    @classmethod
    def check_and_update_config(cls, vllm_config: VllmConfig) -> None:
        super().check_and_update_config(vllm_config)
        parallel = vllm_config.parallel_config
        if parallel.worker_cls == STOCK_WORKER:
            parallel.worker_cls = "homecluster.jobs.vllm_plugin.worker.PipelineCpuWorker"

    @classmethod
    def get_device_communicator_cls(cls) -> str:
        stock = super().get_device_communicator_cls()
        if stock != STOCK_COMMUNICATOR:
            return str(stock)
        return "homecluster.jobs.vllm_plugin.communicator.HomeCommunicator"
