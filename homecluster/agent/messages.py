"""What coordinator and member say to each other on the control channel: values and their JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from homecluster.agent.limits import (
    MAX_ANSWER_BYTES,
    MAX_BODY_BYTES,
    MAX_DEADLINE_S,
    NEWEST_PROTOCOL,
    OLDEST_PROTOCOL,
)
from homecluster.agent.pairing import NODE
from homecluster.agent.safe_json import BadMessageError, parse_table
from homecluster.agent.verbs import VERB_NAME
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import HomeclusterError, InputError, LaunchError, MissingError, PeerError

REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,160}", re.ASCII)
JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", re.ASCII)
_MAX_TEXT = 4000
MAX_ASK_CHARACTERS = MAX_BODY_BYTES + 4096
"""The body and what stands around it."""
_MAX_VERSIONS = 32
NOBODY = COORDINATOR = NodeId("")
"""The addressee of what concerns the cluster itself, whoever its coordinator is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The member's first word."""

    instance: str
    """Drawn when the agent started: tells a reconnecting agent from a cloned disk."""
    versions: Mapping[str, str]
    interface: str | None
    can_be_dialled: bool
    oldest: int = OLDEST_PROTOCOL
    newest: int = NEWEST_PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The coordinator's first word."""

    epoch: int
    node: str
    """The name that the member has in the cluster."""
    role: Role
    protocol: int = NEWEST_PROTOCOL


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """Once a second from the member, and back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    id: str
    to: NodeId
    verb: str
    body: Mapping[str, Any]
    deadline_s: float
    """Relative: clocks differ."""
    asker: NodeId = NOBODY
    """Filled in by the coordinator, which alone knows; what a member writes there is ignored."""
    role: Role = Role.WORKER


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    id: str
    body: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    """The kind of refusal, or None."""
    message: str = ""
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """The coordinator asks a member to bring a stream to the port of one of its jobs."""

    stream: str
    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoStream:
    stream: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The last word: why this connection ends; `is_final` says not to come back."""

    reason: str
    is_final: bool


Message = Hello | Welcome | Beat | Ask | Answer | Dial | NoStream | Ended
_ERRORS: dict[str, type[HomeclusterError]] = {
    "input": InputError,
    "missing": MissingError,
    "peer": PeerError,
    "launch": LaunchError,
    "refused": HomeclusterError,
}


def text_of(message: Message) -> str:
    """One message as it goes over the wire."""
    return json.dumps({"type": type(message).__name__.lower()} | asdict(message), allow_nan=False)


def message_from(text: str) -> Message:
    """The message in a text; unknown fields are ignored so that newer versions can be understood.

    Raises:
        BadMessageError: it is none.
    """
    table = parse_table(text, limit_bytes=MAX_ANSWER_BYTES)
    if table.get("type") == "ask" and len(text) > MAX_ASK_CHARACTERS:
        raise BadMessageError(f"a request is larger than {MAX_BODY_BYTES} bytes")
    match table.get("type"):
        case "beat":
            return Beat()
        case "ask":
            return ask_from(table)
        case "answer":
            return _answer(table)
        case "hello":
            return _hello(table)
        case "welcome":
            return Welcome(
                epoch=_whole(table, "epoch"),
                node=matching(table, "node", NODE),
                role=role_from(table),
                protocol=_whole(table, "protocol"),
            )
        case "dial":
            return Dial(
                stream=matching(table, "stream", REQUEST_ID), job=matching(table, "job", JOB)
            )
        case "nostream":
            return NoStream(
                stream=matching(table, "stream", REQUEST_ID), reason=_text(table, "reason")
            )
        case "ended":
            return Ended(reason=_text(table, "reason"), is_final=table.get("is_final") is True)
        case _:
            raise BadMessageError("unknown type of message")


def ask_from(table: Mapping[str, Any]) -> Ask:
    """A request, from the channel or from the local socket."""
    to = table.get("to")
    if to != COORDINATOR and not (isinstance(to, str) and NODE.fullmatch(to)):
        raise BadMessageError("'to' is no PC's name")
    body, deadline_s = table.get("body"), table.get("deadline_s")
    if not isinstance(body, dict):
        raise BadMessageError("'body' is no object")
    if isinstance(deadline_s, bool) or not isinstance(deadline_s, int | float):
        raise BadMessageError("'deadline_s' is no number")
    if not 0 < deadline_s <= MAX_DEADLINE_S:
        raise BadMessageError(f"'deadline_s' is not between 0 and {MAX_DEADLINE_S:g}")
    asker = table.get("asker", "")
    return Ask(
        id=matching(table, "id", REQUEST_ID),
        to=NodeId(to),
        verb=matching(table, "verb", VERB_NAME),
        body=body,
        deadline_s=float(deadline_s),
        asker=NodeId(asker if isinstance(asker, str) and NODE.fullmatch(asker) else ""),
        role=role_from(table) if "role" in table else Role.WORKER,
    )


def refusal(request_id: str, error: HomeclusterError) -> Answer:
    """An expected no, as it travels."""
    kind = next((name for name, known in _ERRORS.items() if type(error) is known), "refused")
    hint = error.hint[:_MAX_TEXT] if error.hint else None
    return Answer(id=request_id, error=kind, message=error.message[:_MAX_TEXT], hint=hint)


def raised(answer: Answer) -> HomeclusterError:
    """The same no, at the asker's side."""
    return _ERRORS.get(answer.error or "", PeerError)(answer.message, hint=answer.hint)


def role_from(table: Mapping[str, Any]) -> Role:
    try:
        return Role(table.get("role", ""))
    except ValueError:
        raise BadMessageError("'role' is none") from None


def _answer(table: Mapping[str, Any]) -> Answer:
    body, error, hint = table.get("body"), table.get("error"), table.get("hint")
    if not isinstance(body, dict):
        raise BadMessageError("'body' is no object")
    return Answer(
        id=matching(table, "id", REQUEST_ID),
        body=body,
        error=None if error is None else _text(table, "error"),
        message=_text(table, "message"),
        hint=None if hint is None else _text(table, "hint"),
    )


def _hello(table: Mapping[str, Any]) -> Hello:
    versions, interface = table.get("versions"), table.get("interface")
    if not isinstance(versions, dict) or len(versions) > _MAX_VERSIONS:
        raise BadMessageError("'versions' is no small object")
    if not all(f"{name}{value}".isprintable() for name, value in versions.items()):
        raise BadMessageError("'versions' has control characters")
    return Hello(
        instance=matching(table, "instance", REQUEST_ID),
        versions={str(name)[:64]: str(value)[:64] for name, value in versions.items()},
        interface=interface[:32] if isinstance(interface, str) else None,
        can_be_dialled=table.get("can_be_dialled") is True,
        oldest=_whole(table, "oldest"),
        newest=_whole(table, "newest"),
    )


def _whole(table: Mapping[str, Any], key: str) -> int:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadMessageError(f"{key!r} is no whole number")
    return value


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise BadMessageError(f"{key!r} is no text")
    return value[:_MAX_TEXT]


def matching(table: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    """A text that is wholly of this pattern (BadMessageError): what people are shown must not steer a terminal."""
    value = table.get(key)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadMessageError(f"{key!r} is missing or malformed")
    return value
