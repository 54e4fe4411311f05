"""WSL2: version, networking mode, memory cap, and whether it stops when no window is open."""

from __future__ import annotations

import re
from typing import Final

from homecluster.app.checks.facts import Facts
from homecluster.app.wsl_advice import wsl_advice
from homecluster.domain.check import Check, failed, passed, warned
from homecluster.domain.units import GIB, format_bytes

_SHARE: Final = 0.6
"""WSL gives itself half of Windows' memory unless told otherwise."""
_ROOMY_BYTES: Final = 24 * GIB
_NEVER: Final = "-1"


def wsl_mode(facts: Facts) -> Check | None:
    """Who may call this WSL; None outside of WSL."""
    if facts.is_wsl1:
        return failed(
            "wsl-mode",
            "this is WSL1, in which engines do not run",
            "in PowerShell: wsl --set-version DISTRIBUTION 2",
        )
    if facts.wsl is None:
        return None
    advice = wsl_advice(facts.wsl.mode)
    if not advice.steps:
        return passed("wsl-mode", advice.summary)
    return warned("wsl-mode", advice.summary, "; ".join(advice.steps))


def wsl_memory(facts: Facts) -> Check | None:
    """How much of the PC's memory WSL may have."""
    if facts.wsl is None:
        return None
    pc, own = facts.wsl.windows_ram_bytes, facts.ram_total_bytes
    if not pc:
        return passed(
            "wsl-memory", f"WSL has {format_bytes(own)}; Windows does not tell what the PC has"
        )
    if own >= _SHARE * pc or own >= _ROOMY_BYTES:
        return passed("wsl-memory", f"WSL has {format_bytes(own)} of the PC's {format_bytes(pc)}")
    wanted = max(1, int(0.75 * pc / GIB))
    return warned(
        "wsl-memory",
        f"WSL has {format_bytes(own)} of the PC's {format_bytes(pc)}",
        f"write memory={wanted}GB under [wsl2] in %UserProfile%\\.wslconfig, then wsl --shutdown",
    )


def wsl_idle(facts: Facts) -> Check | None:
    """WSL stops a minute after its last window was closed, and with it what it serves."""
    if facts.wsl is None:
        return None
    timeout = config_value(facts.wsl.config or "", "vmIdleTimeout")
    if timeout == _NEVER:
        return passed("wsl-idle", "WSL keeps running without a window")
    fixes = "write vmIdleTimeout=-1 under [wsl2] in %UserProfile%\\.wslconfig, or keep one WSL window open"
    if facts.wsl.has_systemd is False:
        fixes += (
            "; and systemd=true under [boot] in /etc/wsl.conf, so that the agent starts by itself"
        )
    return warned(
        "wsl-idle",
        "WSL stops about a minute after its last window was closed, and what it serves with it",
        fixes,
    )


def config_value(text: str, key: str, section: str = "wsl2") -> str | None:
    """The value of a key of .wslconfig, whatever the case; None where it is not set.

    Windows' own editors write a byte order mark and carriage returns.
    """
    found = None
    current = ""
    for line in text.lstrip("\ufeff").splitlines():
        words = re.split(r"[#;]", line, maxsplit=1)[0].strip()
        head = re.fullmatch(r"\[(.+)\]", words)
        if head:
            current = head[1].strip().lower()
        elif "=" in words and current == section:
            name, _, value = words.partition("=")
            if name.strip().lower() == key.lower():
                found = value.strip()
    return found
