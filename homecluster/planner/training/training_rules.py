"""What cannot train on given devices at all, whatever the memory; each with the id that a rejection carries."""

from __future__ import annotations

from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.model import ModelSpec
from homecluster.domain.training import Method, Train
from homecluster.planner.network import Fabric
from homecluster.planner.rules import BF16_CAPABILITY, MINIMUM_CAPABILITY, Refusal
from homecluster.planner.training.groups import Group


def refuse_group(spec: ModelSpec, workload: Train, group: Group, fabric: Fabric) -> Refusal | None:
    """Why this group cannot train this model so."""
    if workload.sequence_tokens > spec.max_positions:
        return Refusal(
            rule="context-length",
            detail=f"{spec.name} takes at most {spec.max_positions} tokens, not {workload.sequence_tokens}",
        )
    if spec.quantization is not None and workload.method is Method.FULL:
        return Refusal(
            rule="quantized-weights",
            detail=f"{spec.quantization.method} weights cannot be trained themselves; --method lora can",
        )
    if len(group) > workload.global_batch:
        return Refusal(
            rule="batch",
            detail=f"{len(group)} devices cannot share a batch of {workload.global_batch}",
        )
    return _refuse_devices(workload, group, fabric)


def has_bf16(device: Device) -> bool:
    return _capability(device) >= BF16_CAPABILITY


def _refuse_devices(workload: Train, group: Group, fabric: Fabric) -> Refusal | None:
    weak = next((device for device in group if _capability(device) < MINIMUM_CAPABILITY), None)
    if weak is not None:
        return Refusal(
            rule="compute-capability",
            detail=f"{weak.name} is older than compute capability 7.5, which today's PyTorch needs",
        )
    if workload.method is Method.QLORA and group[0].kind is DeviceKind.CPU:
        return Refusal(
            rule="qlora-needs-cuda", detail="4-bit training (bitsandbytes) needs NVIDIA cards"
        )
    if not fabric.knows([device.node_id for device in group]):
        return Refusal(
            rule="link-unknown",
            detail="no measurement of the links between these PCs: run `homecluster probe` or add them to the document",
        )
    return None


def _capability(device: Device) -> tuple[int, int]:
    """An unknown one is taken as able: hand-written devices are mostly recent."""
    return device.compute_capability or BF16_CAPABILITY
