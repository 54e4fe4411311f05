"""What NVIDIA GPUs do now: load, clocks, why they are held back, who holds their memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from homecluster.domain.signs import GpuSigns
from homecluster.inventory.nvidia import ask

_MHZ = 1e6
_HEAT = (0x20, 0x40)
"""nvmlClocksEventReasonSwThermalSlowdown and HwThermalSlowdown."""
_POWER = (0x04, 0x80)
"""nvmlClocksEventReasonSwPowerCap and HwPowerBrakeSlowdown."""


def watch_gpus(job_pids: Collection[int], nvml: Any = None) -> tuple[GpuSigns, ...]:
    """One GpuSigns per GPU, none without a driver; figures that a card, laptop or WSL hides stay None.

    Args:
        job_pids: processes of our jobs; memory of all others is the desktop's.
        nvml: the pynvml module, or a stand-in.
    """
    try:
        nvml = nvml or _pynvml()
        nvml.nvmlInit()
    except Exception as error:  # noqa: BLE001 - NVMLError is a class of the module that may be missing
        del error
        return ()
    try:
        count = ask(nvml, nvml.nvmlDeviceGetCount) or 0
        return tuple(_watch(nvml, index, job_pids) for index in range(count))
    finally:
        nvml.nvmlShutdown()


def _pynvml() -> Any:
    import pynvml  # noqa: PLC0415 - large, and only needed on the way to real hardware

    return pynvml


def _watch(nvml: Any, index: int, job_pids: Collection[int]) -> GpuSigns:
    handle = ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index)
    if handle is None:
        return GpuSigns(index=index)
    memory = ask(nvml, nvml.nvmlDeviceGetMemoryInfo, handle)
    of_jobs = _job_bytes(nvml, handle, job_pids)
    busy = ask(nvml, nvml.nvmlDeviceGetUtilizationRates, handle)
    return GpuSigns(
        index=index,
        name=str(ask(nvml, nvml.nvmlDeviceGetName, handle) or ""),
        busy_ratio=busy.gpu / 100 if busy else None,
        memory_total_bytes=memory.total if memory else None,
        memory_of_jobs_bytes=of_jobs,
        memory_of_desktop_bytes=max(0, memory.used - of_jobs)
        if memory and of_jobs is not None
        else None,
        clock_hz=_times(ask(nvml, nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM), _MHZ),
        clock_max_hz=_times(
            ask(nvml, nvml.nvmlDeviceGetMaxClockInfo, handle, nvml.NVML_CLOCK_SM), _MHZ
        ),
        throttled_by=throttle_names(
            ask(nvml, nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        ),
        temperature_c=_times(
            ask(nvml, nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU), 1
        ),
        power_w=_times(ask(nvml, nvml.nvmlDeviceGetPowerUsage, handle), 1e-3),
        power_limit_w=_times(ask(nvml, nvml.nvmlDeviceGetEnforcedPowerLimit, handle), 1e-3),
    )


def throttle_names(bits: int) -> tuple[str, ...]:
    """`heat` and `power` of NVML's reasons why a clock is low; being idle is none."""
    reasons = (("heat", _HEAT), ("power", _POWER))
    return tuple(name for name, masks in reasons if any(bits & mask for mask in masks))


def _job_bytes(nvml: Any, handle: Any, job_pids: Collection[int]) -> int | None:
    """Bytes of our jobs; None where the driver hides them (WSL, MIG), since all would look like the desktop's."""
    running = ask(nvml, nvml.nvmlDeviceGetComputeRunningProcesses, handle)
    if running is None:
        return None
    ours = [one.usedGpuMemory for one in running if one.pid in job_pids]
    return None if None in ours else sum(ours)


def _times(number: float | None, unit: float) -> float | None:
    return None if number is None else number * unit
