"""Every verb that members may ask of this PC: the one table that the agent is started with."""

from __future__ import annotations

import os
import platform
import time

from homecluster import __version__
from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.app import copy_verbs, gang_verbs, train_verbs
from homecluster.domain.member import Role
from homecluster.store.job_port import port_of
from homecluster.store.paths import Paths, paths_at

_PROBE_VERBS = (
    *("inventory", "probe.devices", "probe.listen", "probe.link", "probe.close"),
    *("live.keep", "live.read"),
    *("reach.listen", "reach.dial", "reach.multicast"),
)
_STARTED_S = time.monotonic()


def paths_of(asked: Asked) -> Paths:
    """Where this PC's state is, for handlers."""
    return paths_at(asked.home, os.environ)


def all_verbs() -> tuple[Verb, ...]:
    """Add a verb by adding its line; a handler's module is imported by the handler, not here."""
    return (
        Verb(name="agent.look", needs=Role.WORKER, handle=_look),
        Verb(name="agent.echo", needs=Role.WORKER, handle=_echo),
        Verb(name="agent.job", needs=Role.OPERATOR, handle=_job),
        *(_probe_verb(name) for name in _PROBE_VERBS),
        *copy_verbs.VERBS,
        *gang_verbs.VERBS,
        *train_verbs.VERBS,
        Verb(name="signs", needs=Role.WORKER, handle=_signs),
    )


def job_port(paths: Paths, job: str) -> int:
    """Loopback port of a job of this PC.

    Raises:
        InputError: this PC has no such job.
    """
    return port_of(paths, job)


def _probe_verb(name: str) -> Verb:
    def handle(asked: Asked, body: Body) -> Body:
        from homecluster.app import (  # noqa: PLC0415 - as `all_verbs` says
            live_cluster,
            probe_verbs,
            reach_verbs,
        )

        known = {**probe_verbs.HANDLERS, **live_cluster.HANDLERS, **reach_verbs.HANDLERS}
        return known[name](asked, body)

    return Verb(name=name, needs=Role.WORKER, handle=handle)


def _look(asked: Asked, body: Body) -> Body:
    del body
    return {
        "node": asked.node,
        "version": __version__,
        "python": platform.python_version(),
        "up_s": time.monotonic() - _STARTED_S,
    }


def _echo(asked: Asked, body: Body) -> Body:
    del asked
    return {"echo": body.get("echo")}


def _job(asked: Asked, body: Body) -> Body:
    return {"port": job_port(paths_of(asked), str(body.get("job")))}


def _signs(asked: Asked, body: Body) -> Body:
    from homecluster.app import watch  # noqa: PLC0415 - as `all_verbs` says

    return watch.answer(paths_of(asked), body)
