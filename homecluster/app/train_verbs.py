"""The verbs by which a cluster's PCs take part in each other's trainings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.domain.member import Role
from homecluster.store.paths import paths_at


def _train(word: str, asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import train_share  # noqa: PLC0415 - an agent that trains nothing stays small

    paths = paths_at(asked.home, os.environ)
    match word:
        case "check":
            return train_share.check(paths, body)
        case "start":
            return train_share.start(paths, asked.asker, body)
        case "look":
            return train_share.look(paths, body)
        case _:
            return train_share.stop(paths, body)


VERBS = tuple(
    Verb(name=f"train.{word}", needs=Role.OPERATOR, handle=partial(_train, word))
    for word in ("check", "start", "look", "stop")
)
