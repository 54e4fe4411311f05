"""The verbs by which a cluster's PCs take part in each other's gangs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.app import gang_share
from homecluster.domain.member import Role
from homecluster.store.paths import Paths, paths_from


def _check(asked: Asked, body: Body) -> Mapping[str, Any]:
    return gang_share.check(_paths(asked), body)


def _preview(asked: Asked, body: Body) -> Mapping[str, Any]:
    return gang_share.preview(_paths(asked), body)


def _start(asked: Asked, body: Body) -> Mapping[str, Any]:
    return gang_share.start(_paths(asked), asked.asker, body)


def _look(asked: Asked, body: Body) -> Mapping[str, Any]:
    return gang_share.look(_paths(asked), body)


def _stop(asked: Asked, body: Body) -> Mapping[str, Any]:
    return gang_share.stop(_paths(asked), body)


def _listed(asked: Asked, _: Body) -> Mapping[str, Any]:
    return gang_share.listed(_paths(asked))


VERBS = (
    Verb(name="share.check", needs=Role.OPERATOR, handle=_check),
    Verb(name="share.preview", needs=Role.OPERATOR, handle=_preview),
    Verb(name="share.start", needs=Role.OPERATOR, handle=_start),
    Verb(name="share.look", needs=Role.OPERATOR, handle=_look),
    Verb(name="share.stop", needs=Role.OPERATOR, handle=_stop),
    Verb(name="share.list", needs=Role.WORKER, handle=_listed),
)


def _paths(asked: Asked) -> Paths:
    return paths_from({**os.environ, "HOMECLUSTER_HOME": str(asked.home)})
