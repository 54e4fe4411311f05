"""Which processor this PC has and which of its cores this process may use."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from homecluster.inventory.host_files import ReadText


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    name: str
    features: frozenset[str]
    """Instruction sets as the kernel names them (`avx512_bf16`, `asimdhp`); empty where unknown."""
    last_level_cache_bytes: int | None


def read_processor(read: ReadText, fallback_name: str) -> Processor:
    """As /proc/cpuinfo and sysfs say; elsewhere the fallback name and nothing else."""
    text = read("/proc/cpuinfo") or ""
    fields = dict(_field(line) for line in text.splitlines() if ":" in line)
    features = fields.get("flags") or fields.get("Features") or ""
    return Processor(
        name=fields.get("model name") or fields.get("Model") or fallback_name or "CPU",
        features=frozenset(features.split()),
        last_level_cache_bytes=_last_level_cache(read),
    )


def one_cpu_per_core(allowed: Collection[int], read: ReadText) -> tuple[int, ...]:
    """One logical CPU of each physical core that has any in `allowed`; the core's last, as vLLM picks.

    Hyper-threads share the arithmetic and the memory path of their core, so a second one adds nothing
    to an inference step.
    """
    cores: dict[str, int] = {}
    for cpu in sorted(allowed):
        siblings = read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores[siblings or str(cpu)] = cpu
    return tuple(sorted(cores.values()))


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip()


def _last_level_cache(read: ReadText) -> int | None:
    for index in (3, 2):
        text = read(f"/sys/devices/system/cpu/cpu0/cache/index{index}/size")
        if text and text[:-1].isdigit() and text[-1] in "KM":
            return int(text[:-1]) * (1024 if text[-1] == "K" else 1024**2)
    return None
