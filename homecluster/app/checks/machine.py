"""Disk, memory, clock, the state directory, and what earlier runs left."""

from __future__ import annotations

from typing import Final

from homecluster.app.checks.facts import Facts
from homecluster.domain.check import Check, failed, passed, warned
from homecluster.domain.units import GIB, MIB, format_bytes

_ENGINE_BYTES: Final = 3 * GIB
"""The CPU environment takes 2.5 GiB."""
_ENGINE_AND_MODEL_BYTES: Final = 15 * GIB
_LEAST_MEMORY_BYTES: Final = 4 * GIB
"""A tiny engine on a CPU takes about 3 GiB while it starts."""
_LEAST_SHM_BYTES: Final = 256 * MIB
"""Docker gives 64 MiB, in which two ranks of one PC do not fit."""
_PRIVATE: Final = 0o077


def disk(facts: Facts) -> Check:
    """Room for an engine environment and a model."""
    free = facts.disk_free_bytes
    if free is None:
        return passed("disk", "free space is unknown here")
    if free < _ENGINE_BYTES and not facts.engines:
        return failed(
            "disk",
            f"{format_bytes(free)} are free, and an engine environment takes about {format_bytes(_ENGINE_BYTES)}",
            "free some space, or set HOMECLUSTER_ENGINES and HF_HOME to another disk",
        )
    if free < _ENGINE_AND_MODEL_BYTES:
        return warned(
            "disk",
            f"{format_bytes(free)} are free: a model of 7 B parameters takes about 15 GiB",
            "free some space, or set HF_HOME to another disk",
        )
    return passed("disk", f"{format_bytes(free)} free")


def memory(facts: Facts) -> Check:
    """Memory for an engine to start, and shared memory for its ranks."""
    if facts.ram_available_bytes < _LEAST_MEMORY_BYTES:
        return warned(
            "memory",
            f"{format_bytes(facts.ram_available_bytes)} of {format_bytes(facts.ram_total_bytes)} are available: "
            "even a small engine may not start",
            "close what holds memory (browsers first); in WSL see the line wsl-memory",
        )
    shm = facts.shm_free_bytes
    if shm is not None and shm < _LEAST_SHM_BYTES:
        return warned(
            "memory",
            f"shared memory (/dev/shm) has {format_bytes(shm)}: several ranks on this PC do not start",
            "give the container more: docker run --shm-size 2g",
        )
    return passed("memory", f"{format_bytes(facts.ram_available_bytes)} available")


def clock(facts: Facts) -> Check:
    """A clock that is set by the network."""
    if facts.clock_is_synchronised is False:
        return warned(
            "clock",
            "this PC's clock is not set by the network: tokens may expire early",
            "timedatectl set-ntp true (WSL after sleep: sudo hwclock -s)",
        )
    known = "is set by the network" if facts.clock_is_synchronised else "cannot be judged here"
    return passed("clock", f"the clock {known}")


def state(facts: Facts) -> Check:
    """The directory of all state is ours alone and can be written."""
    if not facts.home_is_writable:
        return failed(
            "state",
            f"{facts.home_path} cannot be written",
            "mend its owner, or set HOMECLUSTER_HOME to a directory that you can write",
        )
    if facts.home_mode is not None and facts.home_mode & _PRIVATE:
        return warned(
            "state",
            f"{facts.home_path} can be read by others on this PC (mode {facts.home_mode & 0o777:04o})",
            f"chmod 700 {facts.home_path}",
            mends="make-state-private",
        )
    return passed("state", f"{facts.home_path or 'the state directory'} is yours alone")


def leftovers(facts: Facts) -> Check:
    """Engines of earlier runs that nobody owns."""
    if not facts.stale:
        return passed("leftovers", "no engine of an earlier run is left")
    names = ", ".join(f"{one.name} ({one.pid})" for one in facts.stale)
    return warned(
        "leftovers",
        f"engines that belong to no job still run: {names}",
        "homecluster doctor --fix ends those that homecluster started; others: kill "
        + " ".join(str(one.pid) for one in facts.stale),
        mends="end-leftovers",
    )
