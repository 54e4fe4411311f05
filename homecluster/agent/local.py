"""How a command reaches this PC's agent, and through it every member: plain HTTP over a Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from homecluster.agent.folder import AgentFolder
from homecluster.agent.limits import MAX_ANSWER_BYTES, MAX_BODY_BYTES
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Health, Member, Role
from homecluster.errors import (
    HomeclusterError,
    InputError,
    LaunchError,
    MissingError,
    PeerError,
)

_UCRED = struct.Struct("3i")
"""pid, uid, gid of the process at the other end."""
_LOCAL_S = 20.0
"""For what the agent answers by itself, or gives up on."""
_ERRORS: dict[str, type[HomeclusterError]] = {
    "input": InputError,
    "missing": MissingError,
    "peer": PeerError,
    "launch": LaunchError,
    "refused": HomeclusterError,
}
COORDINATOR = NodeId("")
"""Addressee of the `cluster.…` verbs."""


class LocalAgent:
    """Fulfils `app.ports.Members`; every call opens its own connection, so threads may share it."""

    def __init__(self, home: Path) -> None:
        self._folder = AgentFolder(home=home)

    @property
    def is_in_cluster(self) -> bool:
        """Whether this PC has joined one; its agent may still be down."""
        return self._folder.state.exists()

    def status(self) -> Mapping[str, Any]:
        """The agent's own state, as `homecluster.agent/1`.

        Raises:
            MissingError: no agent runs on this PC, or it is in no cluster.
        """
        return self._call("GET", "/v1/status", None, _LOCAL_S)

    def members(self) -> tuple[Member, ...]:
        """Everybody, the coordinator first.

        Raises:
            MissingError: no agent runs on this PC, or it is in no cluster.
        """
        answer = self._call("GET", "/v1/members", None, _LOCAL_S)
        if answer.get("error"):
            raise _raised(answer)
        return tuple(member_from(table) for table in answer["members"])

    def ask(
        self, node: NodeId, verb: str, body: Mapping[str, Any], *, deadline_s: float
    ) -> Mapping[str, Any]:
        """What that member's handler of the verb answered; asking this PC itself is allowed.

        Raises:
            PeerError: it is not reachable, refused, or did not answer in time.
        """
        request = {
            "id": secrets.token_hex(16),
            "to": node,
            "verb": verb,
            "body": dict(body),
            "deadline_s": deadline_s,
        }
        if len(json.dumps(request["body"])) > MAX_BODY_BYTES:
            raise InputError(f"a request of {verb} is larger than {MAX_BODY_BYTES} bytes")
        answer = self._call("POST", "/v1/ask", request, deadline_s + _LOCAL_S)
        return _body(answer)

    def tunnel(self, node: NodeId, job: str) -> str:
        """Path of a Unix socket on this PC; what connects there talks to that job's port on that member.

        Raises:
            PeerError: the member is not reachable or runs no such job.
        """
        answer = self._call("POST", "/v1/tunnel", {"node": node, "job": job}, 2 * _LOCAL_S)
        return str(_body(answer)["path"])

    def remember(self, host: str, port: int) -> None:
        """Have the coordinator looked for at that address first."""
        _body(self._call("POST", "/v1/remember", {"host": host, "port": port}, _LOCAL_S))

    def stop(self) -> None:
        """Ask the agent to end."""
        self._call("POST", "/v1/stop", {}, _LOCAL_S)

    def _call(
        self, method: str, path: str, document: Mapping[str, Any] | None, timeout_s: float
    ) -> dict[str, Any]:
        connection = _UnixConnection(self._folder.socket, timeout_s)
        try:
            connection.request(
                method,
                path,
                body=None if document is None else json.dumps(document, allow_nan=False),
                headers={"Content-Type": "application/json"},
            )
            content = connection.getresponse().read(2 * MAX_ANSWER_BYTES)
        except TimeoutError as error:
            raise PeerError("this PC's agent does not answer", hint=self._log_hint()) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._nobody() from error
        finally:
            connection.close()
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise PeerError("this PC's agent answers nonsense", hint=self._log_hint()) from error
        assert isinstance(answer, dict)
        return answer

    def _nobody(self) -> MissingError:
        if not self.is_in_cluster:
            return MissingError(
                "this PC is in no cluster", hint="homecluster join makes it a member."
            )
        return MissingError(
            "no agent runs on this PC", hint=f"homecluster join starts it again; {self._log_hint()}"
        )

    def _log_hint(self) -> str:
        return f"its log is {self._folder.log}"


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
        peer = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        if _UCRED.unpack(peer)[1] not in {os.getuid(), 0}:
            raise ConnectionRefusedError("another user listens there")


def member_from(table: Mapping[str, Any]) -> Member:
    """A member of the agent's answer."""
    return Member(
        node=NodeId(table["node"]),
        name=table["name"],
        role=Role(table["role"]),
        health=Health(table["health"]),
        is_coordinator=table["is_coordinator"],
        is_here=table["is_here"],
        address=table["address"],
        interface=table["interface"],
        can_be_dialled=table["can_be_dialled"],
        last_seen_s=table["last_seen_s"],
        versions=tuple((name, version) for name, version in table["versions"]),
    )


def _body(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    if answer.get("error") is not None:
        raise _raised(answer)
    body = answer["body"]
    assert isinstance(body, dict)
    return body


def _raised(answer: Mapping[str, Any]) -> HomeclusterError:
    kind = _ERRORS.get(answer["error"], PeerError)
    return kind(answer["message"], hint=answer.get("hint"))
