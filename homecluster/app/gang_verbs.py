"""The verbs by which a cluster's PCs take part in each other's gangs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.domain.member import Role
from homecluster.store.paths import paths_from


def _answer(name: str, asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import gang_share  # noqa: PLC0415 - an agent that runs no gang stays small

    paths = paths_from({**os.environ, "HOMECLUSTER_HOME": str(asked.home)})
    match name:
        case "share.check":
            return gang_share.check(paths, body)
        case "share.preview":
            return gang_share.preview(paths, body)
        case "share.start":
            return gang_share.start(paths, asked.asker, body)
        case "share.look":
            return gang_share.look(paths, body)
        case "share.stop":
            return gang_share.stop(paths, body)
        case _:
            return gang_share.listed(paths)


def _verb(name: str, needs: Role) -> Verb:
    return Verb(name=name, needs=needs, handle=lambda asked, body: _answer(name, asked, body))


VERBS = (
    *(
        _verb(f"share.{word}", Role.OPERATOR)
        for word in ("check", "preview", "start", "look", "stop")
    ),
    _verb("share.list", Role.WORKER),
)
