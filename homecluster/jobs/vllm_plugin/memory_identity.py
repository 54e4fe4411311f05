"""Whether two processes see the same shared memory: same kernel, same /dev/shm."""

from __future__ import annotations

from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, never written to


def shared_memory_identity(boot_id: Path = BOOT_ID, shared_memory: Path = SHARED_MEMORY) -> str:
    """Equal for two processes exactly when they share memory files.

    A tmpfs has its own device number for each time it is mounted, so two containers of one
    machine differ although their boot id agrees.
    """
    return f"{boot_id.read_text().strip()}:{shared_memory.stat().st_dev}"
