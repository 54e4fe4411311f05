"""What one PC may ask of another: a closed table of typed verbs, never a shell line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role

Body = Mapping[str, Any]
VERB_NAME = re.compile(r"[a-z][a-z0-9_]{0,23}(\.[a-z][a-z0-9_]{0,23}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The circumstances of one request, as the handler sees them."""

    home: Path
    """All state of this PC's homecluster, as `HOMECLUSTER_HOME`."""
    node: NodeId
    """This PC."""
    asker: NodeId
    role: Role
    """Of the asker, as the coordinator pinned it."""
    deadline_s: float
    """Left when the request came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One entry of the table; `handle` runs in a thread and raises HomeclusterError for an expected no.

    A handler is called once per request: a repeated request gets the first answer again.
    It checks every value of the body itself, by range or by pattern.
    """

    name: str
    needs: Role
    """The least role that may ask: WORKER lets every member, OPERATOR only those who may run jobs."""
    handle: Callable[[Asked, Body], Body]


def find(verbs: Sequence[Verb], name: str) -> Verb | None:
    return next((verb for verb in verbs if verb.name == name), None)


def may(role: Role, needs: Role) -> bool:
    """Whether a member of `role` may ask for what `needs` that one."""
    return role is Role.OPERATOR or needs is Role.WORKER
