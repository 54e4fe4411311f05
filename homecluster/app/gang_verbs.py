"""The verbs by which a cluster's PCs take part in each other's gangs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.domain.member import Role
from homecluster.store.paths import paths_at


def _share(word: str, asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import gang_share  # noqa: PLC0415 - an agent that runs no gang stays small

    paths = paths_at(asked.home, os.environ)
    match word:
        case "check":
            return gang_share.check(paths, body)
        case "preview":
            return gang_share.preview(paths, body)
        case "start":
            return gang_share.start(paths, asked.asker, body)
        case "look":
            return gang_share.look(paths, body)
        case "stop":
            return gang_share.stop(paths, body)
        case _:
            return gang_share.listed(paths)


VERBS = (
    *(
        Verb(name=f"share.{word}", needs=Role.OPERATOR, handle=partial(_share, word))
        for word in ("check", "preview", "start", "look", "stop")
    ),
    Verb(name="share.list", needs=Role.WORKER, handle=partial(_share, "list")),
)
