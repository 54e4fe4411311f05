"""What the training planner believes where nothing was measured; every number says where it comes from."""

from __future__ import annotations

from typing import Final

OPTIMIZER_TRAFFIC_BYTES: Final = 30
"""Per parameter: Adam reads fp32 gradient, weight and two moments (16) and writes three of them and the 16-bit weight (14)."""

OVERLAP_SLOWDOWN: Final = 1.05
"""Computation while collectives run: their copies and kernels take a few per cent of a GPU. A guess, not measured."""
OVERLAP_BUCKETS: Final = 2
"""Buckets alive at once when one is sent while the next fills."""

HOST_MICRO_STEP_S: Final = 10e-3
"""Python's and DeepSpeed's own work per micro-step: a tiny GPT-2 on two processes takes 43 ms a step, most of it this."""

PASSES_FORWARD: Final = 1
PASSES_BACKWARD: Final = 2
"""Gradients of inputs and of weights; with adapters only those of inputs, as the weights are frozen."""
PASSES_BACKWARD_FROZEN: Final = 1

COPY_BYTES_PER_WEIGHT: Final = 2
"""QLoRA writes each matrix out in 16 bits before it multiplies with it."""
