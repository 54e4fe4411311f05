"""What a GPU does now, replayed; the replies are written by hand to NVML's documented types."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml

from homecluster.inventory.gpu_watch import throttle_names, watch_gpus

GIB = 1024**3


class Nvml:
    """One card; an answer named in `hidden` is refused as laptops and WSL do."""

    NVMLError = pynvml.NVMLError
    NVML_CLOCK_SM, NVML_TEMPERATURE_GPU = pynvml.NVML_CLOCK_SM, pynvml.NVML_TEMPERATURE_GPU
    ANSWERS: dict[str, Any] = {  # noqa: RUF012 - never changed
        "nvmlDeviceGetCount": 1,
        "nvmlDeviceGetHandleByIndex": "card",
        "nvmlDeviceGetName": "NVIDIA GeForce RTX 3060 Laptop GPU",
        "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=6 * GIB, used=5 * GIB),
        "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=80),
        "nvmlDeviceGetComputeRunningProcesses": [
            SimpleNamespace(pid=7, usedGpuMemory=3 * GIB), SimpleNamespace(pid=8, usedGpuMemory=GIB)
        ],
        "nvmlDeviceGetClockInfo": 900,
        "nvmlDeviceGetMaxClockInfo": 2100,
        "nvmlDeviceGetCurrentClocksThrottleReasons": 0x20,
        "nvmlDeviceGetTemperature": 87,
        "nvmlDeviceGetPowerUsage": 60_000,
        "nvmlDeviceGetEnforcedPowerLimit": 80_000,
        "nvmlInit": None,
        "nvmlShutdown": None,
    }  # fmt: skip

    def __init__(self, *hidden: str) -> None:
        self._hidden = hidden

    def __getattr__(self, name: str) -> Any:
        if name not in self.ANSWERS:
            raise AttributeError(name)

        def reply(*_: object) -> Any:
            if name in self._hidden:
                raise pynvml.NVMLError_NotSupported
            return self.ANSWERS[name]

        return reply


def test_a_hot_card_says_so_in_figures() -> None:
    (gpu,) = watch_gpus({7}, Nvml())

    assert (gpu.throttled_by, gpu.clock_hz, gpu.clock_max_hz) == (("heat",), 900e6, 2100e6)
    assert (gpu.temperature_c, gpu.power_w, gpu.busy_ratio) == (87, 60.0, 0.8)


def test_memory_that_is_not_of_our_jobs_is_the_desktops() -> None:
    (gpu,) = watch_gpus({7}, Nvml())

    assert (gpu.memory_of_jobs_bytes, gpu.memory_of_desktop_bytes) == (3 * GIB, 2 * GIB)


def test_where_processes_are_hidden_nothing_is_said_of_the_desktop() -> None:
    (gpu,) = watch_gpus({7}, Nvml("nvmlDeviceGetComputeRunningProcesses"))

    assert gpu.memory_of_desktop_bytes is None


def test_a_card_that_hides_everything_is_still_listed() -> None:
    hidden = [
        name for name in Nvml.ANSWERS if name.startswith("nvmlDeviceGet") and "Count" not in name
    ]

    assert [gpu.index for gpu in watch_gpus(set(), Nvml(*hidden))] == [0]


def test_without_a_driver_there_is_no_card() -> None:
    assert watch_gpus(set(), Nvml("nvmlInit")) == ()


def test_being_idle_is_no_reason_to_worry() -> None:
    assert throttle_names(0x1) == ()
    assert throttle_names(0x04 | 0x40) == ("heat", "power")
