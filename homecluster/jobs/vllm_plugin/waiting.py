"""Readers of vLLM's queues that sleep while they wait; by default they spin for a second after each message.

On a home PC the core they spin on is one that computes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from homecluster.jobs.vllm_plugin.activation import cpu_platform, log

NAP_MS = 2
"""A reader wakes when the writer says so; after so long it looks by itself, should the word be lost."""

Wait = Callable[..., None]


def sleep_while_waiting() -> None:
    """Entry point of `vllm.general_plugins`: mends the queues of the CPU build, leaves any other alone."""
    if cpu_platform() is None:
        return

    from vllm.distributed.device_communicators.shm_broadcast import SpinCondition

    if getattr(SpinCondition.wait, "naps", False):
        return  # vLLM loads plug-ins once in each process, and a forked one inherits ours
    SpinCondition.wait = napping(SpinCondition.wait)
    log.info("homecluster: queue readers sleep while they wait")


def napping(stock: Wait) -> Wait:
    """A method that replaces `SpinCondition.wait`: naps where `stock` would only yield."""

    def wait(condition: Any, timeout_ms: int | None = None) -> None:
        would_spin = time.monotonic() <= condition.last_read + condition.busy_loop_s
        if would_spin:
            nap(condition, timeout_ms)
        else:
            stock(condition, timeout_ms)

    wait.naps = True  # type: ignore[attr-defined]  # a mark on our own function
    return wait


def nap(condition: Any, timeout_ms: int | None) -> None:
    """Sleep until the writer notifies, a shutdown cancels, or the nap is over.

    The notification is taken from its socket, else the next nap would end at once.
    """
    longest_ms = NAP_MS if timeout_ms is None else min(NAP_MS, timeout_ms)
    awake = dict(condition.poller.poll(timeout=longest_ms))
    if condition.local_notify_socket in awake:
        import zmq  # type: ignore[import-not-found]  # comes with vLLM

        condition.local_notify_socket.recv(flags=zmq.NOBLOCK, copy=False)
