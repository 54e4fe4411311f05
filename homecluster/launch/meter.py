"""What a job uses of this PC while it works: cores, memory, GPUs, power."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import psutil

_EVERY_S = 0.5
_MEMORY_EVERY = 10
"""Samples between two looks at memory: adding up a large process's pages takes the kernel milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    at_s: float
    """On the monotonic clock."""
    cpu_s: float
    """Processor time of the job's processes so far."""
    pc_cpu_s: float
    """Processor time of everything on this PC so far."""
    memory_bytes: int
    """Pages that several of them share are counted once."""
    gpu_busy: tuple[float, ...]
    """Share of time that each GPU worked lately; empty without NVML."""
    gpu_power_w: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Over a window of time."""

    busy_cores: float
    """Mean number of cores that the job kept busy."""
    other_cores: float
    """Likewise everything else on this PC, the benchmark's client included."""
    memory_bytes: int
    """The most that was held."""
    gpu_busy: tuple[float, ...]
    gpu_power_w: tuple[float, ...]


class Meter:
    """Samples in the background while its `with` block runs."""

    def __init__(self, find: Callable[[], Iterable[psutil.Process]], gpus: tuple[int, ...]) -> None:
        self._find = find
        self._gpus = gpus
        self._samples: list[Sample] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)

    def use_between(self, begun_at_s: float, ended_at_s: float) -> Use | None:
        """None when fewer than two samples fell into the window."""
        return use_of([s for s in self._samples if begun_at_s <= s.at_s <= ended_at_s])

    def _run(self) -> None:
        handles = _gpu_handles(self._gpus)
        processes = tuple(self._find())
        memory_bytes = 0
        while not self._stop.wait(_EVERY_S):
            if len(self._samples) % _MEMORY_EVERY == 0:
                memory_bytes = sum(map(own_memory_bytes, processes))
            self._samples.append(_sample(processes, handles, memory_bytes))


def use_of(samples: list[Sample]) -> Use | None:
    """Means over the time between the first and the last sample; memory at its most; None for fewer than two."""
    if len(samples) < 2:  # noqa: PLR2004 - a rate needs two points
        return None
    first, last = samples[0], samples[-1]
    seconds = last.at_s - first.at_s
    busy_cores = (last.cpu_s - first.cpu_s) / seconds
    return Use(
        busy_cores=busy_cores,
        other_cores=max(0.0, (last.pc_cpu_s - first.pc_cpu_s) / seconds - busy_cores),
        memory_bytes=max(sample.memory_bytes for sample in samples),
        gpu_busy=_means([sample.gpu_busy for sample in samples]),
        gpu_power_w=_means([sample.gpu_power_w for sample in samples]),
    )


def _means(rows: list[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(column) / len(column) for column in zip(*rows, strict=True))


def _sample(
    processes: tuple[psutil.Process, ...], handles: tuple[Any, ...], memory_bytes: int
) -> Sample:
    busy, power = _gpu_readings(handles)
    return Sample(
        at_s=time.monotonic(),
        cpu_s=sum(map(_cpu_times, processes)),
        pc_cpu_s=_pc_cpu_s(),
        memory_bytes=memory_bytes,
        gpu_busy=busy,
        gpu_power_w=power,
    )


def _pc_cpu_s() -> float:
    times = psutil.cpu_times()
    # Guest time is part of user time already, and waiting is not work.
    return float(times.user + times.system + getattr(times, "nice", 0.0))


def _cpu_times(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def own_memory_bytes(process: psutil.Process) -> int:
    """Its share of memory: pages shared by n processes count one n-th."""
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):  # PSS is known on Linux only
        return 0


def _gpu_handles(indices: tuple[int, ...]) -> tuple[Any, ...]:
    if not indices:
        return ()
    import pynvml  # noqa: PLC0415 - only where a GPU is used

    try:
        pynvml.nvmlInit()
        return tuple(pynvml.nvmlDeviceGetHandleByIndex(index) for index in indices)
    except pynvml.NVMLError:
        return ()


def _gpu_readings(handles: tuple[Any, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if not handles:
        return (), ()
    import pynvml  # noqa: PLC0415 - as above

    try:
        busy = tuple(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100 for handle in handles)
        power = tuple(pynvml.nvmlDeviceGetPowerUsage(handle) / 1000 for handle in handles)
    except pynvml.NVMLError:  # laptops often hide their power
        return (), ()
    return busy, power
