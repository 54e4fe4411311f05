"""PCs that are slower than they could be: heat, power, memory, other programs, quotas, a slow disk."""

from __future__ import annotations

from collections.abc import Iterator

from homecluster.domain.signs import GpuSigns, NodeSigns
from homecluster.domain.units import GIB, format_bytes, format_rate, format_traffic
from homecluster.planner.causes.case import Case, Found, found

_SLOWED_RATIO = 0.85
"""Turbo clocks of a busy, healthy PC wander within a tenth."""
_IDLE_RATIO = 0.2
"""An idle device lowers its clock, and that is no trouble."""
_STALL_RATIO = 0.10
"""Idle PCs show less than one percent."""
_SWAPPING_BYTES_PER_S = 1e6
_IO_STALL_RATIO = 0.30
_WSL_SHARE = 0.6
"""WSL2 gives itself half of Windows' memory unless told otherwise."""
_ROOMY_BYTES = 16 * GIB
_DESKTOP_BYTES = 1 * GIB
_DESKTOP_SHARE = 0.15
_SAVERS = ("power-saver", "powersave", "low-power", "quiet")
_ELSEWHERE = 0.5
_SCHEDULER_BUSY = 0.9


def throttled(case: Case) -> Found | None:
    """Heat or a power limit lowers a clock while the device works."""
    for node, where, ratio, reasons in _slowed(case):
        effect = case.gain_per_speed(ratio)
        return found(
            "throttled",
            f"{where} on {node.node} runs at {100 * ratio:.0f} % of its clock because of {' and '.join(reasons)}",
            evidence=tuple(_temperatures(node)),
            do="clean the fans, lift the laptop off the table, let air in; "
            "or accept it: homecluster probe --full measures the speed that lasts and plans with it",
            effect=effect,
        )
    return None


def _slowed(case: Case) -> Iterator[tuple[NodeSigns, str, float, tuple[str, ...]]]:
    for node in case.nodes():
        for gpu in node.gpus:
            ratio = _ratio(gpu.clock_hz, gpu.clock_max_hz)
            working = (gpu.busy_ratio or 0.0) >= _IDLE_RATIO
            if gpu.throttled_by and working and ratio < _SLOWED_RATIO:
                yield node, gpu.name or f"GPU {gpu.index}", ratio, gpu.throttled_by
        ratio = _ratio(node.clock_hz, node.clock_max_hz)
        if node.throttled_by and ratio < _SLOWED_RATIO:
            yield node, "the processor", ratio, node.throttled_by


def power_saving(case: Case) -> Found | None:
    """A laptop on battery or in a saving profile."""
    for node in case.nodes():
        saver = node.power_profile if node.power_profile in _SAVERS else None
        ratio = _ratio(node.clock_hz, node.clock_max_hz)
        # intel_pstate calls its ordinary governor `powersave`: only a low clock makes it a saver.
        harmless = saver == "powersave" and (node.clock_hz is None or ratio >= _SLOWED_RATIO)
        if node.on_battery is not True and (saver is None or harmless):
            continue
        what = "runs on battery" if node.on_battery else f"is set to {saver}"
        return found(
            "power-saving",
            f"{node.node} {what}: clocks and the GPU's power are held low",
            evidence=(f"processor at {100 * ratio:.0f} % of its clock",) if ratio < 1 else (),
            do=f"plug {node.node} in and choose the performance profile: powerprofilesctl set performance "
            "(Windows: Settings, Power, best performance)",
            effect=case.gain_per_speed(ratio),
        )
    return None


def wsl_memory_cap(case: Case) -> Found | None:
    """WSL gets much less memory than the PC has, and runs short of it."""
    for node in case.nodes():
        total, pc = node.ram_total_bytes, node.windows_ram_bytes
        if not total or not pc or total >= _WSL_SHARE * pc or total >= _ROOMY_BYTES:
            continue
        if not _short(node):
            continue
        return found(
            "wsl-memory-cap",
            f"WSL on {node.node} gets {format_bytes(total)} of the PC's {format_bytes(pc)} and runs short of it",
            evidence=tuple(_memory_figures(node)),
            do=f"in Windows write memory={max(1, int(0.75 * pc / GIB))}GB under [wsl2] in .wslconfig, then wsl --shutdown",
            effect=_below_prediction(case),
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
            effect=_below_prediction(case),
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


def stale_processes(case: Case) -> Found | None:
    """Engines that nobody owns any more hold GPUs or ports."""
    for node in case.signs.nodes:
        holding = [one for one in node.stale if one.gpu_memory_bytes or one.port]
        if not holding:
            continue
        held = ", ".join(
            f"{one.name} ({one.pid})"
            + (f" {format_bytes(one.gpu_memory_bytes)}" if one.gpu_memory_bytes else "")
            + (f" port {one.port}" if one.port else "")
            for one in holding
        )
        return found(
            "stale-processes",
            f"processes of an earlier engine still run on {node.node} and belong to no job: {held}",
            do=f"on {node.node}: homecluster down --all ends what homecluster started; end others by their number: "
            f"kill {' '.join(str(one.pid) for one in holding)}",
            argv=("homecluster", "down", "--all"),
        )
    return None


def busy_elsewhere(case: Case) -> Found | None:
    """Other programs take the cores that the engine computes or schedules on."""
    for node in case.nodes():
        cores, other = node.cores, node.other_busy_cores
        if not cores or other is None or case.signs.job is None:
            continue
        if other < _ELSEWHERE * cores or (node.cpu_stall_ratio or 0.0) < _STALL_RATIO:
            continue
        return found(
            "busy-elsewhere",
            f"other programs keep {format_rate(other)} of the {cores} cores of {node.node} busy: the engine waits for a core "
            f"{100 * (node.cpu_stall_ratio or 0):.0f} % of the time",
            do="end or pause them (top shows which), or leave this PC out with --nodes",
            effect=max(case.gain_per_speed(max(0.1, 1 - other / cores)), _below_prediction(case)),
        )
    return None


def quota_throttled(case: Case) -> Found | None:
    """A container's CPU quota stops the engine in the middle of its steps."""
    for node in case.nodes():
        ratio = node.quota_throttled_ratio or 0.0
        if ratio >= _STALL_RATIO:
            return found(
                "cpu-quota",
                f"a CPU quota of a container or service stops programs on {node.node} {100 * ratio:.0f} % of the time",
                do="raise the quota (docker --cpus, CPUQuota= of the unit), or start fewer threads",
                effect=case.gain_per_speed(1 - ratio),
            )
    return None


def host_overhead_bound(case: Case) -> Found | None:
    """The engine's own scheduler uses up its core while devices wait for it."""
    job, judged = case.signs.job, case.judged
    busy = (job.scheduler_busy_ratio or 0.0) if job else 0.0
    devices = [gpu.busy_ratio for node in case.nodes() for gpu in node.gpus if gpu.busy_ratio]
    if busy < _SCHEDULER_BUSY or not devices or max(devices) > 1 - _ELSEWHERE:
        return None
    host_s = judged.plan.estimate.terms.host_s if judged else 0.0
    return found(
        "host-overhead-bound",
        f"the engine's scheduler uses {100 * busy:.0f} % of one core while the GPU works {100 * max(devices):.0f} % of the time: "
        "the device waits for the host",
        evidence=(f"predicted host time {1000 * host_s:.3g} ms a token",) if host_s else (),
        do="more requests at a time (--concurrency), a second copy on the same card (--replicas 2), or a larger model: "
        "a small one leaves a fast card idle",
        effect=_below_prediction(case),
    )


def disk_bound_load(case: Case) -> Found | None:
    """The start waits for the disk that the weights come from."""
    job = case.signs.job
    if job is None or job.state != "starting" or "weights" not in job.phase:
        return None
    for node in case.nodes():
        if (node.io_stall_ratio or 0.0) < _IO_STALL_RATIO:
            continue
        rate = node.disk_read_bytes_per_s
        return found(
            "disk-bound-load",
            f"{node.node} loads the weights from a slow disk: programs wait for it {100 * (node.io_stall_ratio or 0):.0f} % of the time"
            + (f" at {format_traffic(rate)} a second" if rate else ""),
            do="wait this time; then keep models on an SSD (HF_HOME), and in WSL inside the Linux file system, not under /mnt/c",
        )
    return None


def _ratio(now: float | None, most: float | None) -> float:
    return min(1.0, now / most) if now and most else 1.0


def _temperatures(node: NodeSigns) -> Iterator[str]:
    if node.temperature_c is not None:
        yield f"processor {node.temperature_c:.0f} °C"
    for gpu in node.gpus:
        if gpu.temperature_c is not None:
            power = f", {gpu.power_w:.0f} W" if gpu.power_w else ""
            limit = f" of {gpu.power_limit_w:.0f} W" if gpu.power_w and gpu.power_limit_w else ""
            yield f"{gpu.name or f'GPU {gpu.index}'} {gpu.temperature_c:.0f} °C{power}{limit}"


def _pressed(node: NodeSigns) -> bool:
    stalls = (node.memory_stall_ratio or 0.0) >= _STALL_RATIO
    swaps = (node.swapped_bytes_per_s or 0.0) >= _SWAPPING_BYTES_PER_S
    return stalls or (swaps and _short(node))


def _short(node: NodeSigns) -> bool:
    """Less than a tenth of the memory is left, or programs wait for some."""
    total, left = node.ram_total_bytes, node.ram_available_bytes
    little = total is not None and left is not None and left < 0.1 * total
    return little or (node.memory_stall_ratio or 0.0) >= _STALL_RATIO


def _memory_figures(node: NodeSigns) -> Iterator[str]:
    if node.ram_available_bytes is not None and node.ram_total_bytes is not None:
        yield f"{format_bytes(node.ram_available_bytes)} of {format_bytes(node.ram_total_bytes)} are left"
    if node.swapped_bytes_per_s:
        yield f"swapping {format_traffic(node.swapped_bytes_per_s)} a second"


def _below_prediction(case: Case) -> float:
    """How far the running job stays behind the prediction, tokens per second."""
    measured = case.measured_rate
    if measured is None or case.judged is None:
        return 0.0
    low = case.judged.plan.estimate.output_tokens_per_s.low
    return case.judged.rate - measured if measured < low else 0.0
