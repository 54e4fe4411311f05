"""The verbs that the far side understands, each with its bounded parameters; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netprobe.control.fields import Document, MalformedError, child, integer, number, text
from netprobe.types import PLANS, Failure, FailureKind

MEASUREMENTS: Final = (
    "echo_udp",
    "echo_tcp",
    "sink",
    "source",
    "drain",
    "fill",
    "exchange",
    "mtu",
    "iperf3",
    "all_reduce",
)
MAX_DURATION_S: Final = 60.0
_ID_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """What the far side is and has: name, tools, interface of this connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """Open one measuring port for one measurement of at most `duration_s` (plus a fixed grace)."""

    measurement: str
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """End that measurement: with `wanted`, when it is through, giving what the far side saw; else at once."""

    id: int
    wanted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A secret for one session of someone else with the far side, soon void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """The far side shall probe a third host, for which it gets a ticket (or none is needed there)."""

    host: str
    port: int
    ticket: str
    plan: str


Request = Describe | Open | Finish | Ticket | Onward


def parse_request(document: Document) -> Request:
    """Raises MalformedError on an unknown verb or a field out of its bounds."""
    match verb := text(document, "verb"):
        case "describe":
            return Describe()
        case "open":
            return Open(
                measurement=_one_of(document, "measurement", MEASUREMENTS),
                duration_s=number(document, "duration_s", high=MAX_DURATION_S),
            )
        case "finish":
            return Finish(
                id=integer(document, "id", low=0, high=_ID_MAX),
                wanted=document.get("wanted") is True,
            )
        case "ticket":
            return Ticket()
        case "onward":
            return Onward(
                host=text(document, "host"),
                port=integer(document, "port", low=1, high=65535),
                ticket=text(document, "ticket"),
                plan=_one_of(document, "plan", tuple(PLANS)),
            )
        case _:
            raise MalformedError(f"unknown verb {verb[:40]!r}")


def request_document(request: Request) -> Document:
    """The wire form; `parse_request` reads it back."""
    match request:
        case Describe():
            return {"verb": "describe"}
        case Open():
            return {
                "verb": "open",
                "measurement": request.measurement,
                "duration_s": request.duration_s,
            }
        case Finish():
            return {"verb": "finish", "id": request.id, "wanted": request.wanted}
        case Ticket():
            return {"verb": "ticket"}
        case Onward():
            return {
                "verb": "onward",
                "host": request.host,
                "port": request.port,
                "ticket": request.ticket,
                "plan": request.plan,
            }


def failure_document(kind: FailureKind, detail: str) -> Document:
    """A reply that says no, and why."""
    return {"failure": {"kind": kind.value, "detail": detail}}


def failure_in(reply: Document, probe: str) -> Failure | None:
    """The failure that a reply or report entry carries; None when it carries none."""
    if "failure" not in reply:
        return None
    try:
        failure = child(reply, "failure")
        return Failure(
            probe=probe, kind=FailureKind(text(failure, "kind")), detail=text(failure, "detail")
        )
    except ValueError:
        return Failure(
            probe=probe,
            kind=FailureKind.VERSION,
            detail="the far side failed in a way this side does not know",
        )


def _one_of(document: Document, key: str, names: tuple[str, ...]) -> str:
    value = text(document, key)
    if value not in names:
        raise MalformedError(f"{key} must be one of {', '.join(names)}")
    return value
