"""Reading GPUs from NVML; replayed, because no GPU is needed to read one.

The replies keep to NVML's documented types; they are written by hand and measured nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from homecluster.inventory.nvidia import read_gpus

GIB = 1024**3


def refuse(error: type[Exception]) -> Any:
    def query(*_: object) -> None:
        raise error

    return query


NOT_SUPPORTED = refuse(pynvml.NVMLError_NotSupported)


@dataclass
class Nvml:
    """A driver with given GPUs; every answer can be replaced by a refusal."""

    gpus: list[dict[str, Any]]
    replaced: dict[str, Any] = field(default_factory=dict)
    is_open: bool = False
    NVMLError = pynvml.NVMLError

    def __getattr__(self, name: str) -> Any:
        if name in self.replaced:
            return self.replaced[name]
        if name.startswith("nvmlDevice"):
            return lambda gpu: self.gpus[gpu][name]
        raise AttributeError(name)

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        if "nvmlInit" in self.replaced:
            self.replaced["nvmlInit"]()
        self.is_open = True

    def nvmlShutdown(self) -> None:  # noqa: N802 - NVML's name
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802 - NVML's name
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802 - NVML's name
        if self.gpus[index] is LOST:
            raise pynvml.NVMLError_GpuIsLost
        return index

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802 - NVML's name
        return "580.95.05"

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802 - NVML's name
        return 13000


LOST: dict[str, Any] = {}


def rtx_3060_laptop() -> dict[str, Any]:
    return {
        "nvmlDeviceGetName": "NVIDIA GeForce RTX 3060 Laptop GPU",
        "nvmlDeviceGetUUID": "GPU-0",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=6 * GIB, free=5 * GIB, used=GIB),
        "nvmlDeviceGetCudaComputeCapability": [8, 6],
        "nvmlDeviceGetMaxPcieLinkGeneration": 4,
        "nvmlDeviceGetMaxPcieLinkWidth": 8,
    }


def test_a_gpu_is_read_whole() -> None:
    nvml = Nvml([rtx_3060_laptop()])
    reading = read_gpus(nvml)
    (gpu,) = reading.gpus
    assert (gpu.index, gpu.name) == (0, "NVIDIA GeForce RTX 3060 Laptop GPU")
    assert (gpu.memory_total_bytes, gpu.memory_free_bytes) == (6 * GIB, 5 * GIB)
    assert gpu.compute_capability == (8, 6)
    assert (gpu.pcie_generation, gpu.pcie_width) == (4, 8)
    assert (reading.driver, reading.cuda_driver, reading.note) == ("580.95.05", "13.0", None)
    assert not nvml.is_open


def test_what_wsl_does_not_support_stays_unknown() -> None:
    unsupported = dict.fromkeys(
        (
            "nvmlDeviceGetMaxPcieLinkGeneration",
            "nvmlDeviceGetMaxPcieLinkWidth",
            "nvmlDeviceGetUUID",
            "nvmlDeviceGetCudaComputeCapability",
        ),
        NOT_SUPPORTED,
    )
    reading = read_gpus(Nvml([rtx_3060_laptop()], unsupported))
    (gpu,) = reading.gpus
    assert gpu.memory_total_bytes == 6 * GIB
    assert (gpu.pcie_generation, gpu.pcie_width, gpu.uuid, gpu.compute_capability) == (None,) * 4
    assert reading.note is None


def test_a_lost_gpu_does_not_hide_its_neighbour() -> None:
    reading = read_gpus(Nvml([LOST, rtx_3060_laptop()]))
    assert [gpu.index for gpu in reading.gpus] == [1]
    assert "GPU 0" in str(reading.note)


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (pynvml.NVMLError_LibraryNotFound, "no NVIDIA driver is installed"),
        (pynvml.NVMLError_DriverNotLoaded, "does not answer"),
        (pynvml.NVMLError_LibRmVersionMismatch, "does not answer"),
        (pynvml.NVMLError_NoPermission, "does not answer"),
    ],
)
def test_a_missing_or_broken_driver_is_a_reason_not_a_crash(
    error: type[Exception], word: str
) -> None:
    reading = read_gpus(Nvml([], {"nvmlInit": refuse(error)}))
    assert reading.gpus == ()
    assert word in str(reading.note)


def test_a_driver_without_gpus_says_so() -> None:
    assert "no GPU" in str(read_gpus(Nvml([])).note)


def test_the_real_binding_on_this_pc_answers_or_gives_a_reason() -> None:
    reading = read_gpus()
    assert reading.gpus or reading.note
