"""A CPU worker whose later pipeline stages work in eager mode; loaded inside vLLM workers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vllm.distributed import get_pp_group
from vllm.logger import init_logger
from vllm.v1.worker.cpu_worker import CPUWorker

if TYPE_CHECKING:
    from vllm.v1.worker.worker_base import CompilationTimes

log = init_logger("vllm.homecluster.worker")


class PipelineCpuWorker(CPUWorker):  # type: ignore[misc]  # vLLM is not here when types are checked
    """Allocates what a stage receives.

    vLLM allocates it in the warm-up pass, which its CPU runner skips in eager mode; the first step
    then dies with an assertion.
    """

    def compile_or_warm_up_model(self) -> CompilationTimes:
        times = super().compile_or_warm_up_model()
        runner = self.model_runner
        receives = not get_pp_group().is_first_rank
        if receives and getattr(runner, "intermediate_tensors", self) is None:
            runner.intermediate_tensors = runner.model.make_empty_intermediate_tensors(
                batch_size=runner.max_num_tokens,
                dtype=runner.model_config.dtype,
                device=runner.device,
            )
            log.info("homecluster: allocated what this pipeline stage receives (eager mode)")
        return times
