"""PCs that run short of memory: the PC's own, WSL's share of it, and the card's."""

from __future__ import annotations

from collections.abc import Iterator

from homecluster.domain.signs import GpuSigns, NodeSigns
from homecluster.domain.units import GIB, format_bytes, format_traffic
from homecluster.planner.causes.case import Case, Found, found

_STALL_RATIO = 0.10
"""Idle PCs show less than one percent."""
_SWAPPING_BYTES_PER_S = 1e6
_WSL_SHARE = 0.6
"""WSL2 gives itself half of Windows' memory unless told otherwise."""
_ROOMY_BYTES = 16 * GIB
_DESKTOP_BYTES = 1 * GIB
_DESKTOP_SHARE = 0.15


def wsl_memory_cap(case: Case) -> Found | None:
    """WSL gets much less memory than the PC has, and runs short of it."""
    for node in case.nodes():
        total, pc = node.ram_total_bytes, node.windows_ram_bytes
        if not total or not pc or total >= _WSL_SHARE * pc or total >= _ROOMY_BYTES:
            continue
        if not is_short_of_memory(node):
            continue
        return found(
            "wsl-memory-cap",
            f"WSL on {node.node} gets {format_bytes(total)} of the PC's {format_bytes(pc)} and runs short of it",
            evidence=tuple(_memory_figures(node)),
            do=f"in Windows write memory={max(1, int(0.75 * pc / GIB))}GB under [wsl2] in .wslconfig, then wsl --shutdown",
            effect=case.missing_rate(),
            stalled_ratio=node.memory_stall_ratio or 0.0,
        )
    return None


def memory_pressure(case: Case) -> Found | None:
    """Programs wait for memory, or the PC swaps."""
    for node in case.nodes():
        if not _pressed(node):
            continue
        return found(
            "memory-pressure",
            f"{node.node} runs out of memory: programs wait for it {100 * (node.memory_stall_ratio or 0):.0f} % of the time"
            + (
                f" and it swaps {format_traffic(node.swapped_bytes_per_s)} a second"
                if node.swapped_bytes_per_s
                else ""
            ),
            evidence=tuple(_memory_figures(node)),
            do="close what else holds memory there, or take a smaller or quantised model, fewer or shorter requests "
            "(--max-model-len), or leave this PC out",
            effect=case.missing_rate(),
            stalled_ratio=node.memory_stall_ratio or 0.0,
        )
    return None


def desktop_holds_video_memory(case: Case) -> Found | None:
    """Other programs hold so much video memory that the KV cache or the model misses it."""
    for node in case.nodes():
        for gpu in node.gpus:
            held, total = gpu.memory_of_desktop_bytes, gpu.memory_total_bytes
            if held and total and held >= _DESKTOP_BYTES and held >= _DESKTOP_SHARE * total:
                return _desktop(node, gpu, held, total)
    return None


def _desktop(node: NodeSigns, gpu: GpuSigns, held: int, total: int) -> Found:
    left = max(0.05, (total - held) / total - 0.05)
    return found(
        "desktop-holds-video-memory",
        f"the desktop and other programs hold {format_bytes(held)} of the {format_bytes(total)} of {gpu.name or 'the GPU'} on {node.node}",
        evidence=(
            "the engine claims 90 % of the card and fails to start, or keeps a small KV cache",
        ),
        do=f"close browsers and games there, plug the screen into the other GPU, or start with --memory-utilization {left:.2f}",
        argv=("homecluster", "up", "--memory-utilization", f"{left:.2f}"),
    )


def _pressed(node: NodeSigns) -> bool:
    stalls = (node.memory_stall_ratio or 0.0) >= _STALL_RATIO
    swaps = (node.swapped_bytes_per_s or 0.0) >= _SWAPPING_BYTES_PER_S
    return stalls or (swaps and is_short_of_memory(node))


def is_short_of_memory(node: NodeSigns) -> bool:
    """Less than a tenth of the memory is left, or programs wait for some."""
    total, left = node.ram_total_bytes, node.ram_available_bytes
    little = total is not None and left is not None and left < 0.1 * total
    return little or (node.memory_stall_ratio or 0.0) >= _STALL_RATIO


def _memory_figures(node: NodeSigns) -> Iterator[str]:
    if node.ram_available_bytes is not None and node.ram_total_bytes is not None:
        yield f"{format_bytes(node.ram_available_bytes)} of {format_bytes(node.ram_total_bytes)} are left"
    if node.swapped_bytes_per_s:
        yield f"swapping {format_traffic(node.swapped_bytes_per_s)} a second"
