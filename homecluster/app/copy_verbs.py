"""The verbs by which a cluster's PCs run whole copies for each other, and give each other a model's files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.domain.member import Role
from homecluster.store.paths import Paths, paths_from


def _check(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - the table is read before anybody asks

    return copy_share.check(_paths(asked), body)


def _preview(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - as above

    return copy_share.preview(_paths(asked), body)


def _start(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - as above

    return copy_share.start(_paths(asked), asked.asker, body)


def _look(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - as above

    return copy_share.look(_paths(asked), body)


def _stop(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copy_share  # noqa: PLC0415 - as above

    return copy_share.stop(_paths(asked), body)


def _stop_job(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import copies_down  # noqa: PLC0415 - as above

    return copies_down.end_here(_paths(asked), body)


def _list_files(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import file_share  # noqa: PLC0415 - as above

    return file_share.listed(_paths(asked), asked.asker, body)


def _read_file(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import file_share  # noqa: PLC0415 - as above

    return file_share.read(_paths(asked), asked.asker, body)


def _digest_file(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import file_share  # noqa: PLC0415 - as above

    return file_share.digest(_paths(asked), asked.asker, body)


def _done_with_files(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import file_share  # noqa: PLC0415 - as above

    return file_share.done(_paths(asked), asked.asker, body)


def _offer_engine(asked: Asked, body: Body) -> Mapping[str, Any]:
    from homecluster.app import engine_peers  # noqa: PLC0415 - as above

    return engine_peers.offer_wheels(_paths(asked), asked.asker, body)


VERBS = (
    Verb(name="copy.check", needs=Role.OPERATOR, handle=_check),
    Verb(name="copy.preview", needs=Role.OPERATOR, handle=_preview),
    Verb(name="copy.start", needs=Role.OPERATOR, handle=_start),
    Verb(name="copy.look", needs=Role.OPERATOR, handle=_look),
    Verb(name="copy.stop", needs=Role.OPERATOR, handle=_stop),
    Verb(name="copies.stop", needs=Role.OPERATOR, handle=_stop_job),
    # Every member may ask: files are given to the PCs of a job while it lives, an engine's for a day at most.
    Verb(name="engine.offer", needs=Role.WORKER, handle=_offer_engine),
    Verb(name="files.list", needs=Role.WORKER, handle=_list_files),
    Verb(name="files.read", needs=Role.WORKER, handle=_read_file),
    Verb(name="files.digest", needs=Role.WORKER, handle=_digest_file),
    Verb(name="files.done", needs=Role.WORKER, handle=_done_with_files),
)


def _paths(asked: Asked) -> Paths:
    return paths_from({**os.environ, "HOMECLUSTER_HOME": str(asked.home)})
