"""Looking at a model's class in the server's own process; vLLM starts another one for it, once per kind of model.

That process loads the engine's code once more, 13 s on one core, to keep CUDA out of the server; here is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from homecluster.jobs.vllm_plugin.activation import cpu_platform

T = TypeVar("T")


def inspect_here() -> None:
    """Entry point of `vllm.general_plugins`: mends the CPU build, leaves any other alone."""
    if cpu_platform() is None:
        return

    from vllm.model_executor.models import registry

    registry._run_in_subprocess = ask_here  # noqa: SLF001 - vLLM has no setting for it


def ask_here(question: Callable[[], T]) -> T:
    """In place of vLLM's function, which asks in another process."""
    return question()
