"""The verbs by which a cluster's PCs run whole copies for each other, and give each other a model's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.domain.member import Role
from homecluster.store.paths import Paths, paths_at


def _copy(word: str, asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - an agent that runs no copy stays small

    paths = _paths(asked)
    match word:
        case "check":
            return copy_share.check(paths, body)
        case "preview":
            return copy_share.preview(paths, body)
        case "start":
            return copy_share.start(paths, asked.asker, body)
        case "look":
            return copy_share.look(paths, body)
        case _:
            return copy_share.stop(paths, body)


def _files(word: str, asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import file_share  # noqa: PLC0415 - as above

    paths = _paths(asked)
    match word:
        case "list":
            return file_share.listed(paths, asked.asker, body)
        case "read":
            return file_share.read(paths, asked.asker, body)
        case "digest":
            return file_share.digest(paths, asked.asker, body)
        case _:
            return file_share.done(paths, asked.asker, body)


def _stop_job(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copies_down  # noqa: PLC0415 - as above

    return copies_down.end_here(_paths(asked), body)


def _offer_engine(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import engine_peers  # noqa: PLC0415 - as above

    return engine_peers.offer_wheels(_paths(asked), asked.asker, body)


def _paths(asked: Asked) -> Paths:
    return paths_at(asked.home, os.environ)


VERBS = (
    *(
        Verb(name=f"copy.{word}", needs=Role.OPERATOR, handle=partial(_copy, word))
        for word in ("check", "preview", "start", "look", "stop")
    ),
    Verb(name="copies.stop", needs=Role.OPERATOR, handle=_stop_job),
    # Every member may ask: files are given to the PCs of a job while it lives, an engine's for a day at most.
    Verb(name="engine.offer", needs=Role.WORKER, handle=_offer_engine),
    *(
        Verb(name=f"files.{word}", needs=Role.WORKER, handle=partial(_files, word))
        for word in ("list", "read", "digest", "done")
    ),
)
