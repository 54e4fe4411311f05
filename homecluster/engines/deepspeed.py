"""What DeepSpeed is told: its configuration for a training plan. Pure; DeepSpeed itself is never imported."""

from __future__ import annotations

from typing import Any, Final

from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import (
    LIVE_PARAMETERS,
    REDUCE_BUCKET_BYTES,
    WHOLE_ELEMENTS,
    Offload,
)

BUCKET_ELEMENTS: Final = REDUCE_BUCKET_BYTES // 2
LEARNING_RATE: Final = 2e-4
GRADIENT_CLIPPING: Final = 1.0


def deepspeed_config(
    *,
    kind: DeviceKind,
    dtype: DType,
    zero_stage: int,
    offload: Offload,
    overlap: bool,
    micro_batch: int,
    gradient_accumulation: int,
    learning_rate: float = LEARNING_RATE,
) -> dict[str, Any]:
    """The `config` of `deepspeed.initialize`, as the planner counted it.

    `micro_batch` is of this rank; DeepSpeed takes it as everybody's, so with unequal ones the loss is scaled
    (`jobs.unequal_batches`). The optimiser is torch's own Adam: DeepSpeed's needs a compiler on the user's PC.
    """
    zero: dict[str, Any] = {
        "stage": zero_stage,
        "overlap_comm": overlap,
        "reduce_bucket_size": BUCKET_ELEMENTS,
        "allgather_bucket_size": BUCKET_ELEMENTS,
        "contiguous_gradients": True,
    }
    if zero_stage == 3:  # noqa: PLR2004 - the stage's own number
        zero["stage3_gather_16bit_weights_on_model_save"] = True
        zero["stage3_max_live_parameters"] = LIVE_PARAMETERS
        zero["stage3_max_reuse_distance"] = LIVE_PARAMETERS
        zero["stage3_param_persistence_threshold"] = WHOLE_ELEMENTS
    if offload is not Offload.NONE:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if offload is Offload.PARAMETERS:
        zero["offload_param"] = {"device": "cpu", "pin_memory": True}
    return {
        "train_micro_batch_size_per_gpu": micro_batch,
        "gradient_accumulation_steps": gradient_accumulation,
        "gradient_clipping": GRADIENT_CLIPPING,
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": dtype is DType.BF16},
        "fp16": {"enabled": dtype is DType.FP16 and kind is DeviceKind.CUDA},
        "optimizer": {
            "type": "AdamW",
            "params": {"lr": learning_rate, "torch_adam": True, "weight_decay": 0.0},
        },
        "steps_per_print": 1_000_000_000,
        "wall_clock_breakdown": False,
    }
