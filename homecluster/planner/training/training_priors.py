"""What the training planner believes where nothing was measured; every number says where it comes from."""

from __future__ import annotations

from typing import Final

from homecluster.domain.hardware import Provenance
from homecluster.planner.priors import FLOP_EFFICIENCY

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
"""Gradients of inputs and of weights."""
PASSES_BACKWARD_FROZEN: Final = 1
"""Frozen weights are read once on the way back: they have no gradients."""
PRODUCT_SHARE: Final = FLOP_EFFICIENCY[Provenance.MEASURED]
"""Of a pass's time: what its matrix products take at the probed rate. Frozen weights save one product on the way back,
and nothing of the attention, norms and activations beside it."""

GATHERING_MODULE_S: Final = 0.2e-3
"""Stage 3's hooks around one module, both ways: 20 ms more than stage 0 for 116 modules in one run and 31 ms in another,
one process on one core (`python -m benchmarks.training --hosts 1`)."""
MODULES_PER_LAYER: Final = 13
"""Of torch, GPT-2's and Llama's alike: the layer, attention, its matrices, norms, activation."""
MODULES_PER_ADAPTER: Final = 10
"""PEFT wraps a matrix in containers for every kind of adapter that it knows: 82 more for eight matrices of a GPT-2."""

COPY_BYTES_PER_WEIGHT: Final = 2
"""QLoRA writes each matrix out in 16 bits before it multiplies with it."""
