"""What vLLM refuses to run, each with the id that a rejection carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.domain.hardware import Device, DeviceKind, DType
from homecluster.domain.model import ModelSpec
from homecluster.planner.elements import padded_rows

MINIMUM_CAPABILITY = (7, 5)
BF16_CAPABILITY = (8, 0)

CPU_HEAD_SIZES = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""vLLM 0.32, `CPUAttentionBackend.get_supported_head_sizes`."""

_NO_FP16_ARCHITECTURES = ("Gemma2ForCausalLM", "Gemma3ForCausalLM")
"""vLLM refuses fp16 for these: their activations overflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A rule that is broken, and how, in one sentence."""

    rule: str
    detail: str
    shortfall_bytes: int | None = None


def resolve_dtype(
    spec: ModelSpec, devices: Sequence[Device], asked: DType | None
) -> DType | Refusal:
    """The number format the engine will compute in: what was asked for, else as vLLM's `auto` decides.

    `auto`: the checkpoint's own format, fp32 halved; what a device cannot do falls back to the best it can.
    """
    supported = _supported_dtypes(spec, devices)
    if asked is not None:
        if asked in supported:
            return asked
        if asked is DType.BF16:
            weak = next(d for d in devices if not _has_bf16(d))
            return Refusal(
                rule="no-bf16",
                detail=f"{weak.name} has compute capability {_version(weak)}; bf16 needs 8.0: use --dtype fp16",
            )
        return Refusal(rule="dtype", detail=f"vLLM does not run {spec.name} in {asked.value} here")
    if spec.dtype in supported and spec.dtype is not DType.FP32:
        return spec.dtype
    return supported[0]


def _supported_dtypes(spec: ModelSpec, devices: Sequence[Device]) -> tuple[DType, ...]:
    wanted = [DType.BF16] if all(_has_bf16(device) for device in devices) else []
    if spec.architecture not in _NO_FP16_ARCHITECTURES:
        wanted.append(DType.FP16)
    return (*wanted, DType.FP32)


def _has_bf16(device: Device) -> bool:
    """An unknown capability is taken as able: hand-written devices are mostly recent."""
    return device.compute_capability is None or device.compute_capability >= BF16_CAPABILITY


def refuse_device(spec: ModelSpec, device: Device) -> Refusal | None:
    """Why vLLM cannot use this device at all."""
    capability = device.compute_capability
    if device.kind is DeviceKind.CUDA and capability is not None:
        if capability < MINIMUM_CAPABILITY:
            return Refusal(
                rule="compute-capability",
                detail=f"{device.name} has compute capability {_version(device)}; vLLM needs 7.5 or newer",
            )
        method = spec.quantization.method if spec.quantization else None
        if method == "fp8" and capability < BF16_CAPABILITY:
            return Refusal(
                rule="quantization",
                detail=f"FP8 checkpoints need compute capability 8.0; {device.name} has {_version(device)}",
            )
    if device.kind is DeviceKind.CPU and spec.head_size not in CPU_HEAD_SIZES:
        return Refusal(
            rule="head-size",
            detail=f"vLLM's CPU attention has no kernel for head size {spec.head_size}; it has {', '.join(map(str, CPU_HEAD_SIZES))}",
        )
    if (
        device.kind is DeviceKind.CPU
        and spec.quantization
        and spec.quantization.method in ("fp8", "bitsandbytes")
    ):
        return Refusal(
            rule="quantization",
            detail=f"vLLM's CPU build does not run {spec.quantization.method} checkpoints",
        )
    return None


def refuse_model(spec: ModelSpec, context_tokens: int) -> Refusal | None:
    """Why no layout of this model can serve this workload."""
    if not spec.generates:
        return Refusal(
            rule="not-generative",
            detail=f"{spec.name} is an encoder: it produces no tokens to serve",
        )
    if context_tokens > spec.max_positions:
        return Refusal(
            rule="context-length",
            detail=f"prompt and output are {context_tokens} tokens; {spec.name} takes at most {spec.max_positions}",
        )
    return None


def refuse_tensor_parallel(spec: ModelSpec, size: int) -> Refusal | None:
    """Why vLLM cannot cut this model into `size` tensor-parallel ranks."""
    if size == 1:
        return None
    if spec.heads % size:
        return Refusal(rule="heads", detail=f"{spec.heads} attention heads do not divide by {size}")
    if spec.kv_heads % size and size % spec.kv_heads:
        return Refusal(
            rule="kv-heads",
            detail=f"{spec.kv_heads} key/value heads and {size} ranks do not divide either way",
        )
    for width in _ffn_widths(spec):
        if width % size:
            return Refusal(
                rule="ffn-size", detail=f"feed-forward width {width} does not divide by {size}"
            )
    padded = padded_rows(spec.vocab_size)
    if padded % size:
        return Refusal(
            rule="vocabulary",
            detail=f"the vocabulary, padded to {padded}, does not divide by {size}",
        )
    return None


def refuse_pipeline_parallel(spec: ModelSpec, stages: int) -> Refusal | None:
    """Why vLLM cannot cut this model into `stages` pipeline stages."""
    if stages == 1:
        return None
    if not spec.supports_pipeline:
        return Refusal(
            rule="no-pipeline", detail=f"vLLM has no pipeline parallelism for {spec.architecture}"
        )
    if stages > spec.layers:
        return Refusal(rule="layers", detail=f"{spec.layers} layers cannot make {stages} stages")
    return None


def refuse_group(devices: Sequence[Device]) -> Refusal | None:
    """Why these devices may not form one tensor-parallel group."""
    capabilities = {device.compute_capability for device in devices}
    if len(capabilities) > 1:
        names = " and ".join(sorted({device.name for device in devices}))
        return Refusal(
            rule="mixed-capability",
            detail=f"one tensor-parallel group may not mix compute capabilities: {names}",
        )
    return None


def _ffn_widths(spec: ModelSpec) -> tuple[int, ...]:
    if spec.experts is None:
        return (spec.ffn_size,)
    shared = spec.experts.shared_ffn_size
    return (spec.experts.ffn_size, shared) if shared else (spec.experts.ffn_size,)


def _version(device: Device) -> str:
    assert device.compute_capability is not None
    return ".".join(str(part) for part in device.compute_capability)
