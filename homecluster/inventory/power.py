"""Whether this PC runs on battery or in a saving profile, and how fast its processor may and does run."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from homecluster.inventory.host_files import ReadText, read_host_text

_PROFILE = "/sys/firmware/acpi/platform_profile"
_FREQUENCY = "/sys/devices/system/cpu/cpu{}/cpufreq/{}"
_KHZ = 1e3
_PERFORMANT_DRIVERS = ("intel_pstate", "amd-pstate", "amd-pstate-epp")
"""Their governor `powersave` is the ordinary one and saves nothing by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerFacts:
    """None where this system does not tell."""

    on_battery: bool | None = None
    profile: str | None = None
    clock_hz: float | None = None
    """Of the fastest core now."""
    clock_max_hz: float | None = None


def read_power(cpus: tuple[int, ...], read: ReadText = read_host_text) -> PowerFacts:
    """Power and clocks now; a desktop has no battery and is never on it."""
    now = [_khz(read(_FREQUENCY.format(cpu, "scaling_cur_freq"))) for cpu in cpus]
    most = [_khz(read(_FREQUENCY.format(cpu, "cpuinfo_max_freq"))) for cpu in cpus]
    return PowerFacts(
        on_battery=_on_battery(),
        profile=_profile(cpus, read),
        clock_hz=max((hz for hz in now if hz), default=None),
        clock_max_hz=max((hz for hz in most if hz), default=None),
    )


def _profile(cpus: tuple[int, ...], read: ReadText) -> str | None:
    chosen = read(_PROFILE)
    if chosen:
        return {"low-power": "power-saver"}.get(chosen, chosen)
    first = cpus[0] if cpus else 0
    governor = read(_FREQUENCY.format(first, "scaling_governor"))
    driver = read(_FREQUENCY.format(first, "scaling_driver"))
    if governor == "powersave" and driver in _PERFORMANT_DRIVERS:
        return "balanced"
    return governor


def _on_battery() -> bool | None:
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError, NotImplementedError):
        return None
    return None if battery is None or battery.power_plugged is None else not battery.power_plugged


def _khz(text: str | None) -> float | None:
    try:
        return int(text or "") * _KHZ
    except ValueError:
        return None
