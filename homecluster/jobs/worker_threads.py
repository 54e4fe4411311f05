"""With which threads a vLLM CPU worker computes, so that a measurement can use the same."""

from __future__ import annotations

from collections.abc import Mapping


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` as vLLM's first CPU worker gets it from VLLM_CPU_OMP_THREADS_BIND.

    vLLM binds Intel's OpenMP by its own variables and every other by the standard ones; without an
    explicit list of cores nothing is set.
    """
    cpus = bound_cpus(environment.get("VLLM_CPU_OMP_THREADS_BIND", "nobind"))
    if not cpus:
        return dict(environment)
    listed = ",".join(map(str, cpus))
    if "libiomp" in environment.get("LD_PRELOAD", ""):
        binding = {
            "KMP_AFFINITY": f"granularity=fine,explicit,proclist=[{listed}]",
            "KMP_BLOCKTIME": "5",
            "KMP_TPAUSE": "0",
        }
    else:
        binding = {"OMP_PLACES": f"{{{listed}}}", "OMP_PROC_BIND": "true"}
    return {**environment, "OMP_NUM_THREADS": str(len(cpus)), **binding}


def bound_cpus(binding: str) -> tuple[int, ...]:
    """Logical CPUs of the first rank in `0,1|2-3`; empty for `auto` and `nobind`."""
    first = binding.split("|", maxsplit=1)[0]
    if first in ("auto", "nobind", "all", ""):
        return ()
    cpus: list[int] = []
    for part in first.split(","):
        begin, _, end = part.partition("-")
        cpus += range(int(begin), int(end or begin) + 1)
    return tuple(cpus)
