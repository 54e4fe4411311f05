"""What the planner believes where nothing was measured; every number says where it comes from.

A measurement of the PC or the link in question replaces most of them. Those that were set or widened after
looking at runs on one two-core PC are named in docs/decisions/0006-priors-set-after-looking.md.
"""

from __future__ import annotations

from typing import Final

from homecluster.domain.hardware import DeviceKind, DType, Provenance
from homecluster.domain.units import MIB

# --- devices -----------------------------------------------------------------------------------

BANDWIDTH_EFFICIENCY: Final = {
    Provenance.CALIBRATED: 1.0,
    Provenance.MEASURED: 1.0,  # device_probe streams weights as a decode step does
    Provenance.CATALOGUE: 0.90,  # RTX 4090, vLLM 0.8.5: 0.835 end to end, of which 40 us per layer are overhead
    Provenance.ASSUMED: 0.80,  # aiconfigurator's prior for unknown GPUs
}
"""Share of the stated memory bandwidth that a decode step reaches."""

FLOP_EFFICIENCY: Final = {
    Provenance.CALIBRATED: 1.0,
    Provenance.MEASURED: 0.60,  # prefill reaches 0.4 to 0.6 of peak, the large product that is measured 0.8 to 0.9
    Provenance.CATALOGUE: 0.50,  # prefill MFU of 0.4 to 0.6 is what published serving runs show
    Provenance.ASSUMED: 0.40,
}
"""Share of the stated peak arithmetic that a prefill reaches."""

STEP_OVERHEAD_S: Final = {
    DeviceKind.CUDA: 4e-3,  # vLLM on desktop CPUs: 3 to 11 ms per step whatever the model's size
    DeviceKind.CPU: 3e-3,
}
LAYER_OVERHEAD_S: Final = {
    DeviceKind.CUDA: 40e-6,  # what the 0.835 above leaves; 49 to 77 us on data-centre GPUs
    DeviceKind.CPU: 200e-6,  # about twenty operators of 10 us each
}
SEQUENCE_OVERHEAD_S: Final = {
    DeviceKind.CUDA: 80e-6,  # preparing, sampling, detokenising and streaming one more sequence; H100 servers
    DeviceKind.CPU: 300e-6,
}
DESKTOP_SEQUENCE_OVERHEAD_S: Final = 110e-6
"""The same beside a GeForce card: desktop processors under vLLM 0.5 to 0.9, set after looking (decision 0070)."""
SAMPLING_S_PER_LOGIT: Final = {
    DeviceKind.CUDA: 0.0,  # microseconds in all on a GPU
    DeviceKind.CPU: 15e-9,  # an exponential draw, a softmax and a maximum per entry, one core at 3 GHz
}
SPEED_ERROR: Final = {
    Provenance.CALIBRATED: 0.10,  # what four factors leave open between the loads that were run
    Provenance.MEASURED: 0.30,  # a probe's quiet minute against an evening's real use of the same PC
    Provenance.CATALOGUE: 0.40,
    Provenance.ASSUMED: 2.0,  # a guess may be off by a factor of three
}
"""Relative error of a speed by its provenance; the published roofline models err by 15 to 25 %."""

MODEL_ERROR: Final = 0.20
"""What a roofline with overheads misses even on measured machines (17 % mean over 548 published rows)."""
NINE_TENTHS_IN_DEVIATIONS: Final = 1.645
"""What calibration leaves over is one deviation; nine in ten runs lie within so many."""

# --- memory ------------------------------------------------------------------------------------

CUDA_CONTEXT_BYTES: Final = (
    551 * MIB
)  # CUDA, cuBLAS and attention workspaces (aiconfigurator, before its safety margin)
CUDA_GRAPH_BYTES: Final = (
    300 * MIB
)  # vLLM subtracts its graph estimate from the KV budget since 0.21
NCCL_BYTES: Final = 342 * MIB  # per rank with tensor parallel 2; 392 from 4 on
NCCL_LARGE_BYTES: Final = 392 * MIB
CPU_PROCESS_BYTES: Final = (
    1200 * MIB
)  # a vLLM CPU worker and its API server, resident, without weights
ACTIVATION_FLOOR_BYTES: Final = 70 * MIB
ACTIVATION_WIDTHS: Final = {1: 11.0, 2: 6.5, 4: 5.0, 8: 5.0}
"""Peak activations in units of 2 x tokens x hidden by tensor parallel size (aiconfigurator, Llama family)."""
MOE_ACTIVATION_FACTOR: Final = 2.0
LOGIT_COPIES: Final = 2
"""fp32 logits of the sampler's dummy run that are alive together."""

# --- links inside a PC ----------------------------------------------------------------------------

PCIE_RTT_S: Final = (
    30e-6  # GPU to GPU through host memory: 14 to 15 us one way with peer-to-peer off
)
PCIE_BANDWIDTH_BYTES_PER_S: Final = (
    20e9  # PCIe 4.0 x16 moves 26 GB/s; through host memory a little less
)

# --- links between PCs ------------------------------------------------------------------------------

RETRANSMISSION_TIMEOUT_S: Final = 0.2
"""Linux waits its minimum of 200 ms and a round trip for the answer to a lone small message; a probe of the tail
(RFC 8985) comes no sooner with one packet in flight. A chain of hundreds of messages meets the average."""
PAIR_JITTER: Final = 0.56
"""Expected maximum of two independent unit deviations: an all-reduce waits for the later direction."""

COLLECTIVE_LAUNCH_S: Final = {
    DeviceKind.CUDA: 60e-6,  # RTX 4090: 81 to 98 us per small all-reduce in vLLM, less the 30 us of PCIe
    DeviceKind.CPU: 150e-6,  # gloo, two ranks, no delay: 0.55 ms at 0.2 ms RTT
}
EXCHANGE_LAUNCH_S: Final = 200e-6
"""One of our exchanges on CPU: a poll, a send, a receive and the sum, in Python."""
ALL_REDUCE_RING_TURNS: Final = {
    DeviceKind.CUDA: 1.0,  # NCCL: 2(n-1) one-way hops around the ring
    DeviceKind.CPU: 2.0,  # gloo announces each receive first: two ranks cost 2 RTT, measured
}
GATHER_ROUND_TRIPS: Final = {DeviceKind.CUDA: 0.5, DeviceKind.CPU: 1.0}
HANDOVER_ROUND_TRIPS: Final = {
    DeviceKind.CUDA: 2.0,  # size and pickled metadata over gloo, then the tensors by NCCL
    DeviceKind.CPU: 2.5,  # the same, tensors over gloo; with scheduling 4 RTT per token, measured
}
HANDOVER_TENSOR_ROUND_TRIPS: Final = 1.0
"""Of a CPU's, the last: gloo's receiver says that it is ready, then the tensors come."""
STEP_ROUND_TRIPS: Final = {
    "tensor": 1.0,  # scheduler output to the far ranks, and they answer
    "pipeline": 1.5,  # the same, and the sampled tokens come back to the first stage
}
STEP_MESSAGE_BYTES: Final = 2048

EXECUTOR_STEP_S: Final = 0.3e-3
"""Handing a step to several worker processes and collecting it, against one process."""
EXECUTOR_SEQUENCE_S: Final = 10e-6

# --- start-up ------------------------------------------------------------------------------------------

PROCESS_START_S: Final = {DeviceKind.CUDA: 20.0, DeviceKind.CPU: 22.0}
"""Interpreter, imports of torch and vLLM in three processes, engine initialisation; `probe` measures it.

CPU: 13 to 24 s on one two-core PC; CUDA: a guess. Slower disks take longer, hence START_UP_ERROR.
"""
WEIGHT_LOAD_BYTES_PER_S: Final = 500e6  # safetensors from a SATA SSD or a cold page cache
COMPILE_S: Final = {DeviceKind.CUDA: 30.0, DeviceKind.CPU: 0.0}
"""torch.compile and CUDA graphs; on CPU the engine runs eager."""
WORKER_START_S: Final = 10.0
"""Over several PCs each rank is a process of its own, which imports torch and vLLM once more (one core: 10 s)."""
GROUP_ROUND_TRIPS: Final = 70.0
"""vLLM 0.32 builds its process groups one after the other (distributed/parallel_state.py: the world's, and one each
for tensor, pipeline, data and context parallel, twice, for tensors and for objects); each asks the store on the
first PC several times. 1.4 and 1.6 s more at 20.6 ms than at 0.3 ms."""
GROUPS_S: Final = 1.3
"""The same without a network, one core each."""
RAY_START_S: Final = 12.0
"""A Ray of the job's own on two hosts: 9 to 14.5 s."""
START_UP_ERROR: Final = {
    Provenance.CALIBRATED: 0.3,
    Provenance.MEASURED: 0.3,  # the same start in a quiet minute and in a busy one
    Provenance.CATALOGUE: 0.6,
    Provenance.ASSUMED: 0.6,
}
"""Relative error of a start by where the PC's own part of it comes from."""


def cpu_bandwidth(cores: int) -> float:
    """Bytes per second of a CPU nobody measured: 10 GB/s a core, at most dual-channel DDR4's 45 GB/s."""
    return min(10e9 * cores, 45e9)


def cpu_flops(cores: int, dtype: DType) -> float:
    """FLOP per second of a CPU nobody measured.

    An AVX2 core at 3 GHz: 2 units x 8 lanes x 2 FLOP = 96 GFLOP/s peak in fp32, of which large products
    reach half; without AVX-512 half-precision products are converted to fp32, which costs as much again.
    """
    per_core = 48e9 if dtype is DType.FP32 else 24e9
    return cores * per_core


def sequence_overhead_s(kind: DeviceKind, name: str) -> float:
    """Host time for each further sequence of a step, by the kind of PC that such a card is sold for."""
    if kind is DeviceKind.CUDA and "geforce" in name.lower():
        return DESKTOP_SEQUENCE_OVERHEAD_S
    return SEQUENCE_OVERHEAD_S[kind]
