"""Bytes of weights, gradients and optimiser that one device holds under ZeRO, by the paper and by DeepSpeed's code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from homecluster.domain.training import LIVE_PARAMETERS, Offload

STAGES: Final = (0, 1, 2, 3)

WEIGHT_BYTES: Final = 2
GRADIENT_BYTES: Final = 2
ADAM_BYTES: Final = 12
"""K of the paper: fp32 weights, momentum and variance."""
FP32_GRADIENT_BYTES: Final = 4
"""What DeepSpeed's optimisers keep beyond the paper's count: `zero/stage_1_and_2.py` and `stage3.py`, "18 =
2_grads_16bit + 4_grads_32bit + 4_params_32bit + 8_optimizer_states_32bit"."""
LIVE_LAYER_COPIES: Final = 2
"""ZeRO-3 gathers the largest layer in 16 bits for weights and again for gradients: 4 bytes per parameter."""
HOST_BUFFER_FACTOR: Final = 1.5
"""`additional_buffer_factor` of DeepSpeed's estimators."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ZeroMemory:
    """Model states per device of one stage."""

    stage: int
    paper_bytes: float
    deepspeed_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class States:
    """What one rank holds on its device, and on its PC's behalf in host memory."""

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    host_bytes: int


def zero_memory(parameters: float, devices: int) -> tuple[ZeroMemory, ...]:
    """Model states per device for every stage; mixed-precision Adam, all parameters trained.

    Paper (arXiv 1910.02054, figure 1), P parameters on N devices, K = 12:

        stage 0: (2 + 2 + K) P        stage 2: 2 P + (2 + K) P / N
        stage 1: (2 + 2) P + K P / N  stage 3: (2 + 2 + K) P / N

    DeepSpeed's own estimators have functions for stages 2 and 3: 2 P + 18 P / N, and 18 P / N beside the
    largest layer, which is not known here. Stages 0 and 1 are the same accounting carried over.
    """
    return tuple(
        ZeroMemory(
            stage=stage,
            paper_bytes=_paper(parameters, devices, stage),
            deepspeed_bytes=_deepspeed(parameters, devices, stage),
        )
        for stage in STAGES
    )


def _paper(parameters: float, devices: int, stage: int) -> float:
    return parameters * (
        WEIGHT_BYTES / _cut(devices, sharded=stage >= 3)  # noqa: PLR2004 - the stage's own number
        + GRADIENT_BYTES / _cut(devices, sharded=stage >= 2)  # noqa: PLR2004 - as above
        + ADAM_BYTES / _cut(devices, sharded=stage >= 1)
    )


def _deepspeed(parameters: float, devices: int, stage: int) -> float:
    fp32_gradients = FP32_GRADIENT_BYTES / _cut(devices, sharded=stage >= 1)
    if stage == 3:  # noqa: PLR2004 - as above; its weights are counted as 4 bytes of the largest layer
        shares = GRADIENT_BYTES + FP32_GRADIENT_BYTES + ADAM_BYTES
        return parameters * shares / devices
    return _paper(parameters, devices, stage) + parameters * fp32_gradients


def _cut(devices: int, *, sharded: bool) -> int:
    return devices if sharded else 1


def states(
    *,
    weights_bytes: int,
    trainable: int,
    largest_layer_bytes: int,
    devices: int,
    devices_of_node: int,
    stage: int,
    offload: Offload,
) -> States:
    """One rank's share under DeepSpeed's accounting.

    Args:
        weights_bytes: the whole model as it is held for arithmetic, frozen weights included.
        trainable: parameters that are trained.
        largest_layer_bytes: of `weights_bytes`, what ZeRO-3 gathers at once.
        devices: ranks that share the states.
        devices_of_node: those of them in this rank's PC, which share its host memory.
        stage: of ZeRO.
        offload: what is kept in host memory instead.
    """
    sharded = stage == STAGES[-1]
    weights = weights_bytes // _cut(devices, sharded=sharded)
    gathered = min(weights_bytes, LIVE_PARAMETERS * WEIGHT_BYTES)
    live = max(LIVE_LAYER_COPIES * largest_layer_bytes, gathered) if sharded and devices > 1 else 0
    gradients = trainable * GRADIENT_BYTES // _cut(devices, sharded=stage >= 2)  # noqa: PLR2004
    fp32 = trainable * (ADAM_BYTES + FP32_GRADIENT_BYTES)
    optimizer = fp32 // _cut(devices, sharded=stage >= 1)
    if offload is Offload.NONE:
        return States(
            weights_bytes=weights + live,
            gradients_bytes=gradients,
            optimizer_bytes=optimizer,
            host_bytes=0,
        )
    # As in the estimators: fp32 gradients of every local rank, or all states if those are more.
    shared = max(4 * trainable, 16 * trainable // devices * devices_of_node) // devices_of_node
    host = int(shared * HOST_BUFFER_FACTOR)
    if offload is Offload.PARAMETERS:
        live = max(LIVE_LAYER_COPIES * largest_layer_bytes, gathered)
        host += int(weights * HOST_BUFFER_FACTOR)
        return States(weights_bytes=live, gradients_bytes=0, optimizer_bytes=0, host_bytes=host)
    return States(
        weights_bytes=weights + live,
        gradients_bytes=0 if stage >= 2 else gradients,  # noqa: PLR2004 - handed to the host as they come
        optimizer_bytes=0,
        host_bytes=host,
    )
