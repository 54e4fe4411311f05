"""Which NVIDIA GPUs the driver shows, or why it shows none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    index: int
    """In PCI bus order, which CUDA_DEVICE_ORDER=PCI_BUS_ID follows."""
    name: str
    uuid: str | None
    memory_total_bytes: int
    memory_free_bytes: int
    compute_capability: tuple[int, int] | None
    pcie_generation: int | None
    """The best that card and slot agree on; the current one drops when idle."""
    pcie_width: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuReading:
    gpus: tuple[Gpu, ...]
    driver: str | None
    cuda_driver: str | None
    """The newest CUDA that this driver runs, e.g. `13.0`."""
    note: str | None
    """Why GPUs are missing; None if all answered."""


def read_gpus(nvml: Any = None) -> GpuReading:
    """All GPUs that NVML shows; no driver, no GPU or a broken one is a reading with a note.

    `nvml` is the pynvml module or a replay of one (Any: the package has no types). Queries that a
    GPU or WSL does not support leave their field None.
    """
    nvml = nvml or _pynvml()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        return GpuReading(gpus=(), driver=None, cuda_driver=None, note=_no_driver(error))
    try:
        return _read(nvml)
    finally:
        nvml.nvmlShutdown()


def _pynvml() -> Any:
    import pynvml  # noqa: PLC0415 - large, and only needed on the way to real hardware

    return pynvml


def _read(nvml: Any) -> GpuReading:
    gpus, notes = [], []
    for index in range(ask(nvml, nvml.nvmlDeviceGetCount) or 0):
        try:
            gpus.append(_read_gpu(nvml, index))
        except nvml.NVMLError as error:
            notes.append(f"GPU {index} does not answer: {error}")
    if not gpus and not notes:
        notes.append("the NVIDIA driver is loaded but shows no GPU")
    return GpuReading(
        gpus=tuple(gpus),
        driver=ask(nvml, nvml.nvmlSystemGetDriverVersion),
        cuda_driver=_cuda_version(ask(nvml, nvml.nvmlSystemGetCudaDriverVersion_v2)),
        note="; ".join(notes) or None,
    )


def _read_gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    capability = ask(nvml, nvml.nvmlDeviceGetCudaComputeCapability, handle)
    return Gpu(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=ask(nvml, nvml.nvmlDeviceGetUUID, handle),
        memory_total_bytes=memory.total,
        memory_free_bytes=memory.free,
        compute_capability=(capability[0], capability[1]) if capability else None,
        pcie_generation=ask(nvml, nvml.nvmlDeviceGetMaxPcieLinkGeneration, handle),
        pcie_width=ask(nvml, nvml.nvmlDeviceGetMaxPcieLinkWidth, handle),
    )


def ask(nvml: Any, query: Callable[..., _T], *arguments: object) -> _T | None:
    """The answer, or None where this GPU, driver or WSL does not support the query."""
    try:
        return query(*arguments)
    except nvml.NVMLError:
        return None


def _cuda_version(number: int | None) -> str | None:
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def _no_driver(error: Exception) -> str:
    if "LibraryNotFound" in type(error).__name__:
        return "no NVIDIA driver is installed"
    return f"the NVIDIA driver does not answer: {error}"
