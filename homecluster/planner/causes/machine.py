"""PCs that are slower than they could be: heat, power, memory, other programs, quotas, a slow disk."""

from __future__ import annotations

from collections.abc import Iterator

from homecluster.domain.signs import NodeSigns
from homecluster.domain.units import format_bytes, format_rate, format_traffic
from homecluster.planner.causes.case import Case, Found, found

_SLOWED_RATIO = 0.85
"""Turbo clocks of a busy, healthy PC wander within a tenth."""
_IDLE_RATIO = 0.2
"""An idle device lowers its clock, and that is no trouble."""
_STALL_RATIO = 0.10
"""Idle PCs show less than one percent."""
_IO_STALL_RATIO = 0.30
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
            effect=max(case.gain_per_speed(max(0.1, 1 - other / cores)), case.missing_rate()),
            stalled_ratio=node.cpu_stall_ratio or 0.0,
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
                stalled_ratio=ratio,
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
        effect=case.missing_rate(),
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
            stalled_ratio=node.io_stall_ratio or 0.0,
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
