"""This PC's devices: measured where the cache knows them, else by data sheet, else assumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from homecluster.domain.hardware import Device, DeviceKind, DType, Provenance
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.inventory.collect import Inventory, own_node_id
from homecluster.inventory.nvidia import Gpu
from homecluster.store.calibrations import calibrated, load_calibration
from homecluster.store.device_catalogue import DeviceFacts, all_devices, find_device
from homecluster.store.device_speeds import DeviceSpeeds, Fingerprint, load_speeds
from homecluster.store.device_table import Owner, assumed_cpu, catalogue_device
from homecluster.store.engine_lock import bundled_lock

_MEASURED = Provenance.MEASURED
_KERNEL_RATES = ("memory_bandwidth_bytes_per_s", "peak_flop_per_s")
_OVERHEADS = (
    "kv_cache_bandwidth_bytes_per_s",
    "attention_flop_per_s",
    "sampling_s_per_logit",
    "step_overhead_s",
    "layer_overhead_s",
    "sequence_overhead_s",
    "server_start_s",
    "worker_start_s",
    "engine_ready_s",
)


def own_devices(inventory: Inventory, folder: Path) -> tuple[Device, ...]:
    """GPUs first, then the CPU; `folder` holds the measured speeds and what real runs said of them."""
    found = []
    for device, fingerprint in probed_devices(inventory, folder):
        known = load_calibration(folder, fingerprint)
        found.append(calibrated(device, known) if known else device)
    return tuple(found)


def probed_devices(inventory: Inventory, folder: Path) -> tuple[tuple[Device, Fingerprint], ...]:
    """Every device with the speeds that probes measured, whatever real runs said."""
    found = []
    for device, fingerprint in unmeasured_devices(inventory):
        speeds = load_speeds(folder, fingerprint)
        found.append((with_speeds(device, speeds) if speeds else device, fingerprint))
    return tuple(found)


def unmeasured_devices(inventory: Inventory) -> tuple[tuple[Device, Fingerprint], ...]:
    """Every device without its measured speeds, and under which fingerprint those would be."""
    node_id = own_node_id(inventory.system.hostname)
    gpus = [
        (_gpu_device(gpu, node_id), _gpu_fingerprint(gpu, inventory)) for gpu in inventory.gpus.gpus
    ]
    return (*gpus, (_cpu_device(inventory, node_id), _cpu_fingerprint(inventory)))


def with_speeds(device: Device, speeds: DeviceSpeeds) -> Device:
    """The device with what was measured; what was not keeps its value and its mark."""
    measured = [field for field in _OVERHEADS if getattr(speeds, field) is not None]
    marks = dict(device.provenance) | dict.fromkeys((*_KERNEL_RATES, *measured), _MEASURED)
    return replace(
        device,
        memory_bandwidth_bytes_per_s=speeds.memory_bandwidth_bytes_per_s,
        peak_flop_per_s=_measured_flops(device, speeds),
        kv_cache_bandwidth_bytes_per_s=speeds.kv_cache_bandwidth_bytes_per_s,
        attention_flop_per_s=speeds.attention_flop_per_s,
        sampling_s_per_logit=speeds.sampling_s_per_logit,
        server_start_s=speeds.server_start_s,
        worker_start_s=speeds.worker_start_s,
        engine_ready_s=speeds.engine_ready_s,
        step_overhead_s=_or(speeds.step_overhead_s, device.step_overhead_s),
        layer_overhead_s=_or(speeds.layer_overhead_s, device.layer_overhead_s),
        sequence_overhead_s=_or(speeds.sequence_overhead_s, device.sequence_overhead_s),
        provenance=tuple(sorted(marks.items())),
    )


def _or(measured: float | None, otherwise: float) -> float:
    return otherwise if measured is None else measured


def _measured_flops(device: Device, speeds: DeviceSpeeds) -> tuple[tuple[DType, float], ...]:
    """Measured formats as they are; the others scaled as the first measured one differs from its sheet."""
    first, rate = speeds.peak_flop_per_s[0]
    sheet = device.flop_per_s(first)
    scale = rate / sheet if sheet else 1.0
    rest = {dtype: flops * scale for dtype, flops in device.peak_flop_per_s}
    return tuple((rest | dict(speeds.peak_flop_per_s)).items())


def _cpu_device(inventory: Inventory, node_id: NodeId) -> Device:
    system = inventory.system
    owner = Owner(node_id=node_id, ram_bytes=system.ram_total_bytes, cores=len(system.engine_cores))
    device = assumed_cpu(owner, system.processor.name)
    return replace(
        device,
        memory_free_bytes=system.ram_available_bytes,
        provenance=_with_measured_memory(device),
    )


def _gpu_device(gpu: Gpu, node_id: NodeId) -> Device:
    facts = find_device(gpu.name, gpu.memory_total_bytes)
    base = catalogue_device(node_id, gpu.name, facts or _slowest_relative(gpu))
    if facts is None:
        base = replace(base, provenance=())
    return replace(
        base,
        id=DeviceId(f"{node_id}/{DeviceKind.CUDA}:{gpu.index}"),
        memory_total_bytes=gpu.memory_total_bytes,
        memory_free_bytes=min(gpu.memory_free_bytes, gpu.memory_total_bytes),
        compute_capability=gpu.compute_capability or base.compute_capability,
        provenance=_with_measured_memory(base),
    )


def _slowest_relative(gpu: Gpu) -> DeviceFacts:
    """What an unknown GPU is assumed to be: the slowest card of its compute capability, or of all."""
    rows = all_devices()
    same = [row for row in rows if row.compute_capability == gpu.compute_capability]
    return min(same or rows, key=lambda row: row.memory_bandwidth_bytes_per_s)


def _with_measured_memory(device: Device) -> tuple[tuple[str, Provenance], ...]:
    return tuple(sorted((dict(device.provenance) | {"memory_total_bytes": _MEASURED}).items()))


def _cpu_fingerprint(inventory: Inventory) -> Fingerprint:
    system = inventory.system
    return _fingerprint(
        DeviceKind.CPU, system.processor.name, len(system.engine_cores), memory_bytes=0, driver=""
    )


def _gpu_fingerprint(gpu: Gpu, inventory: Inventory) -> Fingerprint:
    return _fingerprint(
        DeviceKind.CUDA,
        gpu.name,
        len(inventory.system.engine_cores),
        memory_bytes=gpu.memory_total_bytes,
        driver=inventory.gpus.driver or "",
    )


def _fingerprint(
    kind: DeviceKind, name: str, cores: int, *, memory_bytes: int, driver: str
) -> Fingerprint:
    lock = bundled_lock(kind)
    return Fingerprint(
        kind=kind,
        name=name,
        cores=cores,
        memory_bytes=memory_bytes,
        driver=driver,
        vllm=lock.vllm_version,
        torch=lock.version("torch"),
    )
