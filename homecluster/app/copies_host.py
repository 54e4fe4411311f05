"""The PCs of a job of several copies, as its router asks them: this one at once, others through the agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from homecluster.app import copy_share
from homecluster.app.ports import Members
from homecluster.app.share_folder import HERE
from homecluster.domain.ids import NodeId
from homecluster.errors import InputError
from homecluster.store.paths import Paths

_HERE: Final[dict[str, Callable[[Paths, Mapping[str, Any]], Mapping[str, Any]]]] = {
    "copy.check": copy_share.check,
    "copy.preview": copy_share.preview,
    "copy.start": lambda paths, body: copy_share.start(paths, HERE, body),
    "copy.look": copy_share.look,
    "copy.stop": copy_share.stop,
}


class ThisPc:
    """Copies on the router's own PC need no agent."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def ask(self, verb: str, body: Mapping[str, Any], *, deadline_s: float) -> Mapping[str, Any]:
        """The answer of the same handler that other PCs reach."""
        del deadline_s
        if verb not in _HERE:
            raise InputError(f"this PC knows no {verb}")
        return _HERE[verb](self._paths, body)

    def way(self, share: str, port: int) -> tuple[str | None, str | None, int | None]:
        """A local port."""
        del share
        return None, "127.0.0.1", port


class OtherPc:
    """A member of the cluster; its API comes through its own outbound connection."""

    def __init__(self, members: Members, node: NodeId) -> None:
        self._members = members
        self._node = node

    def ask(self, verb: str, body: Mapping[str, Any], *, deadline_s: float) -> Mapping[str, Any]:
        """What the member answers (PeerError when it does not)."""
        return self._members.ask(self._node, verb, body, deadline_s=deadline_s)

    def way(self, share: str, port: int) -> tuple[str | None, str | None, int | None]:
        """A Unix socket on this PC (PeerError when there is none)."""
        del port
        return self._members.tunnel(self._node, share), None, None
