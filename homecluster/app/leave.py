"""The use case of leaving a cluster: tell the coordinator, end the agent, forget the cluster."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from homecluster.agent.folder import AgentFolder
from homecluster.agent.local import COORDINATOR, LocalAgent
from homecluster.app.link_watch import WATCH_FILE
from homecluster.app.live_cluster import LIVE_FILE
from homecluster.errors import HomeclusterError, InputError, MissingError, PeerError
from homecluster.launch.identity import identity_of, is_alive, send_signal
from homecluster.store.cluster_state import read_state

_GONE_WITHIN_S = 10.0
_LEAVE_S = 5.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    cluster: str
    coordinator_knows: bool
    members_told: int = 0
    """Whom this PC, their coordinator, told that the cluster has ended."""


def leave(home: Path, *, force: bool) -> Left:
    """This PC out of its cluster, its agent ended; its key stays, since it is this PC's for life.

    Raises:
        MissingError: it is in no cluster.
        InputError: it is the coordinator of others.
        PeerError: the coordinator could not be told, and `force` was not asked for.
    """
    try:
        state = read_state(AgentFolder(home=home).state)
    except HomeclusterError:
        if not force:
            raise
        return _leave_blindly(home)
    if state is None:
        raise MissingError("this PC is in no cluster", hint="homecluster join makes it a member.")
    agent = LocalAgent(home)
    if state.is_coordinator and state.pins and not force:
        raise InputError(
            "this PC is the coordinator, and the cluster of its "
            f"{len(state.pins) + 1} PCs ends without it",
            hint="revoke them first, or move it: homecluster token --backup FILE here, "
            "homecluster join --new --from-backup FILE on another PC; or homecluster leave --force",
        )
    knows, told = True, 0
    if state.is_coordinator:
        told = _tell_the_end(agent)
    else:
        knows = _tell_leaving(agent, force=force)
    _end_agent(home)
    _forget(home)
    return Left(cluster=state.name, coordinator_knows=knows, members_told=told)


def _leave_blindly(home: Path) -> Left:
    """Out of a cluster whose state cannot be read any more."""
    _end_agent(home)
    _forget(home)
    return Left(cluster="a name that cannot be read any more", coordinator_knows=False)


def _tell_the_end(agent: LocalAgent) -> int:
    """How many members were told that their coordinator goes; those who are off find nobody, and say so."""
    try:
        return int(agent.ask(COORDINATOR, "cluster.leave", {}, deadline_s=_LEAVE_S)["told"])
    except HomeclusterError:
        return 0  # its agent sleeps, so nobody is connected


def _tell_leaving(agent: LocalAgent, *, force: bool) -> bool:
    try:
        if not agent.status()["was_put_out"]:
            agent.ask(COORDINATOR, "cluster.leave", {}, deadline_s=_LEAVE_S)
    except HomeclusterError as error:
        if not force:
            raise PeerError(
                f"the coordinator could not be told: {error.message}",
                hint="homecluster leave --force leaves all the same; then type "
                "homecluster revoke NODE on a PC of the cluster.",
            ) from error
        return False
    return True


def _end_agent(home: Path) -> None:
    """End the daemon and wait until it is gone; one that does not end by itself is killed."""
    agent = LocalAgent(home)
    try:
        process = identity_of(int(agent.status()["pid"]))
        agent.stop()
    except HomeclusterError:
        return
    ends_s = time.monotonic() + _GONE_WITHIN_S
    while process is not None and is_alive(process):
        if time.monotonic() > ends_s:
            send_signal(process, signal.SIGKILL)
            return
        time.sleep(_PAUSE_S)


def _forget(home: Path) -> None:
    """The state goes first: without it this PC is in no cluster, whatever else is left."""
    folder = AgentFolder(home=home)
    for path in (
        folder.backup,
        folder.state,
        folder.cluster_key,
        folder.node_certificate,
        folder.cluster_certificate,
        home / LIVE_FILE,
        home / WATCH_FILE,
    ):
        path.unlink(missing_ok=True)
