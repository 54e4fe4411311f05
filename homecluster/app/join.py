"""The use cases of membership: make a cluster, join one, start the agent, leave."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from homecluster.agent.folder import AgentFolder, make_folder
from homecluster.agent.identity import (
    certify,
    key_sha256,
    key_sha256_of_certificate,
    make_cluster_certificate,
    make_key,
    make_request,
    own_key,
)
from homecluster.agent.introduce import Introduction, ask_in
from homecluster.agent.local import LocalAgent
from homecluster.agent.messages import matching
from homecluster.agent.pairing import CLUSTER_ID, NODE
from homecluster.agent.safe_json import BadMessageError
from homecluster.agent.tokens import JoinToken
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import HomeclusterError, InputError, MissingError, PeerError
from homecluster.store.cluster_state import ClusterState, read_state, write_state
from homecluster.store.files import write_private

AGENT_MODULE = "homecluster.app.agent_process"
_UP_WITHIN_S = 60.0
"""Only a broken start takes that long; a starved PC needs some of it."""
_CONNECTED_WITHIN_S = 20.0


_PAUSE_S = 0.05


def current_state(home: Path) -> ClusterState | None:
    """The cluster that this PC belongs to; None for none."""
    return read_state(AgentFolder(home=home).state)


def create_cluster(home: Path, *, name: str, interface: str | None, port: int) -> ClusterState:
    """A new cluster with this PC as its coordinator; its agent is not started yet.

    Raises:
        InputError: this PC is in a cluster already.
    """
    folder = _fresh_folder(home)
    cluster_key, key = make_key(folder.cluster_key), own_key(folder.node_key)
    cluster_id = secrets.token_hex(8)
    certificate = make_cluster_certificate(cluster_key, cluster_id)
    write_private(folder.cluster_certificate, certificate)
    own = certify(
        cluster_key,
        certificate,
        key.public_key(),
        cluster_id=cluster_id,
        node=name,
        is_coordinator=True,
    )
    write_private(folder.node_certificate, own)
    state = ClusterState(
        cluster_id=cluster_id,
        name=name,
        cluster_key_sha256=key_sha256(cluster_key.public_key()),
        node=NodeId(name),
        role=Role.OPERATOR,
        is_coordinator=True,
        epoch=1,
        interface=interface,
        port=port,
    )
    write_state(folder.state, state)
    return state


def join_cluster(
    home: Path, token: JoinToken, introduction: Introduction, *, name: str, interface: str | None
) -> ClusterState:
    """This PC as a member of the cluster that the token pins; its agent is not started yet.

    Repeating it with the same token is safe: the coordinator answers the same PC the same again.

    Raises:
        InputError: this PC is in a cluster already.
        PeerError: the coordinator refuses or cannot prove its key.
    """
    folder = _fresh_folder(home)
    if introduction.cluster_key_sha256 != token.cluster_key_sha256:
        raise PeerError(f"{introduction.name} is not the cluster that the token names")
    key = own_key(folder.node_key)
    answer = ask_in(
        introduction,
        {
            "token_id": token.token_id,
            "secret": token.secret,
            "name": name,
            "request": make_request(key).decode(),
        },
    )
    try:
        certificate = str(answer["certificate"]).encode()
        if key_sha256_of_certificate(certificate) != key_sha256(key.public_key()):
            raise PeerError(f"{introduction.name} sent the certificate of another PC")
        state = _member_state(answer, introduction, interface)
    except (KeyError, ValueError, BadMessageError) as error:
        raise PeerError(f"{introduction.name} gave an answer that is none: {error}") from error
    write_private(folder.cluster_certificate, introduction.cluster_certificate.encode())
    write_private(folder.node_certificate, certificate)
    write_state(folder.state, state)
    return state


def _member_state(
    answer: Mapping[str, Any], introduction: Introduction, interface: str | None
) -> ClusterState:
    return ClusterState(
        cluster_id=matching(answer, "cluster_id", CLUSTER_ID),
        name=matching(answer, "name", NODE),
        cluster_key_sha256=introduction.cluster_key_sha256,
        node=NodeId(matching(answer, "node", NODE)),
        role=Role(answer["role"]),
        is_coordinator=False,
        epoch=int(answer["epoch"]),
        interface=interface,
        port=introduction.port,
        addresses=((introduction.host, introduction.port),),
    )


def _fresh_folder(home: Path) -> AgentFolder:
    folder = AgentFolder(home=home)
    make_folder(folder)
    state = read_state(folder.state)
    if state is not None:
        raise InputError(
            f"this PC is in the cluster of {state.name} already",
            hint="homecluster leave ends that.",
        )
    return folder


def agent_argv(home: Path) -> tuple[str, ...]:
    """The daemon's command line."""
    return (sys.executable, "-m", AGENT_MODULE, str(home))


def is_agent_up(home: Path) -> bool:
    try:
        LocalAgent(home).status()
    except HomeclusterError:
        return False
    return True


def start_agent(home: Path) -> None:
    """Start the daemon in the background and wait until it answers; nothing to do when it does already.

    Raises:
        MissingError: it did not come up; says why.
    """
    if is_agent_up(home):
        return
    folder = AgentFolder(home=home)
    make_folder(folder)
    first_words = folder.path / "agent.start"
    with _emptied(first_words) as said:
        process = subprocess.Popen(
            agent_argv(home),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            cwd="/",
        )
    ends_s = time.monotonic() + _UP_WITHIN_S
    while not is_agent_up(home):
        if process.poll() is not None:
            why = first_words.read_text(errors="replace").strip().removeprefix("error: ")
            raise MissingError(
                f"the agent did not start: {why[-2000:] or process.returncode}",
                hint=f"its log is {folder.log}",
            )
        if time.monotonic() > ends_s:
            raise MissingError("the agent does not answer", hint=f"its log is {folder.log}")
        time.sleep(_PAUSE_S)


def _emptied(path: Path) -> BinaryIO:
    try:
        path.touch(mode=0o600)
        return path.open("wb")
    except OSError as error:
        raise MissingError(
            f"cannot write {path}: {error.strerror or error}",
            hint="free some disk space there, or make the folder writable.",
        ) from error


def wait_until_connected(home: Path, limit_s: float = _CONNECTED_WITHIN_S) -> str | None:
    """None once the agent has its coordinator, or listens; else what keeps it from it."""
    agent = LocalAgent(home)
    ends_s = time.monotonic() + limit_s
    while True:
        status = agent.status()
        if status["connected"] and not status["trouble"]:
            return None
        if status["was_put_out"] or time.monotonic() > ends_s:
            return str(status["trouble"])
        time.sleep(_PAUSE_S)


def run_agent_here(home: Path) -> NoReturn:
    """The daemon in the foreground: this process becomes it."""
    os.execv(sys.executable, agent_argv(home))  # noqa: S606 - our own module by our own interpreter
