"""What each PC of a running job does: signs of a second of watching -> the page's bars."""

from __future__ import annotations

from typing import Any

from homecluster.domain.signs import GpuSigns, NodeSigns


def host_load(signs: NodeSigns) -> dict[str, Any]:
    """Cores, memory and GPUs of one PC; null for what it does not tell."""
    total, free = signs.ram_total_bytes, signs.ram_available_bytes
    return {
        "node": signs.node,
        "cores": signs.cores,
        "job_cores": signs.job_busy_cores,
        "other_cores": signs.other_busy_cores,
        "memory_used_bytes": total - free if total is not None and free is not None else None,
        "memory_total_bytes": total,
        "gpus": [_gpu(gpu) for gpu in signs.gpus],
    }


def _gpu(gpu: GpuSigns) -> dict[str, Any]:
    of_jobs, of_others = gpu.memory_of_jobs_bytes, gpu.memory_of_desktop_bytes
    known = of_jobs is not None or of_others is not None
    return {
        "name": gpu.name or f"GPU {gpu.index}",
        "busy_ratio": gpu.busy_ratio,
        "memory_used_bytes": (of_jobs or 0) + (of_others or 0) if known else None,
        "memory_total_bytes": gpu.memory_total_bytes,
    }
