"""What the coordinator's listener answers, as OpenAPI: `python -m homecluster.agent.openapi docs/openapi.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from homecluster import __version__
from homecluster.agent.limits import NEWEST_PROTOCOL, OLDEST_PROTOCOL

_TEXT = {"type": "string"}
_RANGE = {"type": "integer", "minimum": 0}


def _table(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


_HELLO = _table(
    schema={"const": "homecluster.hello/1"},
    version=_TEXT,
    oldest_protocol=_RANGE,
    newest_protocol=_RANGE,
    cluster_id=_TEXT,
    name=_TEXT,
    cluster_certificate={**_TEXT, "description": "PEM; its key's SHA-256 is the token's pin"},
)
_JOIN = _table(
    oldest_protocol=_RANGE,
    newest_protocol=_RANGE,
    token_id=_TEXT,
    secret=_TEXT,
    name={**_TEXT, "description": "the name that the PC would like to have"},
    request={**_TEXT, "description": "certificate request, PEM: the PC's key and the proof of it"},
)
_JOINED = _table(
    schema={"const": "homecluster.join/1"},
    node=_TEXT,
    role={"enum": ["worker", "operator"]},
    cluster_id=_TEXT,
    name=_TEXT,
    epoch=_RANGE,
    certificate={**_TEXT, "description": "PEM"},
)
_REFUSED = _table(schema={"const": "homecluster.refused/1"}, reason=_TEXT)


def document() -> dict[str, Any]:
    """The whole description; strangers reach the first two paths, members the other two."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "homecluster coordinator",
            "version": __version__,
            "description": (
                f"Protocol {OLDEST_PROTOCOL} to {NEWEST_PROTOCOL}, TLS 1.3 only. "
                "docs/protocol.md tells what is said on the channel."
            ),
        },
        "paths": {
            "/v1/hello": {"get": _operation("Who is this?", _HELLO, refusals=(429,))},
            "/v1/join": {
                "post": {
                    **_operation("Let a PC in that holds a token.", _JOINED, refusals=_JOIN_NOES),
                    "requestBody": {"required": True, "content": _json(_JOIN)},
                }
            },
            "/v1/channel": {"get": _socket("The control channel of a member.", ())},
            "/v1/stream": {
                "get": _socket("Bytes from or to a job's port.", ("id", "to", "job")),
            },
        },
    }


_JOIN_NOES = (400, 403, 408, 409, 413, 426, 429, 503)
_MEMBER_NOES = (400, 401, 403, 410, 429)
_EVERYWHERE = (415, 417)
"""The guard says these before the operation itself is asked."""
_WHY = {
    400: "not what is described here",
    401: "no certificate of this cluster",
    403: "the token is not valid, or the PC is no member or not allowed to",
    408: "too slow",
    409: "the cluster is full",
    410: "this PC was put out",
    413: "too large",
    415: "compressed bodies are not taken",
    417: "`Expect` takes 100-continue and nothing else",
    426: "the protocols do not meet; the reason says which side to upgrade",
    429: "too often",
    503: "the coordinator cannot write its state",
}


def _operation(
    summary: str, answer: dict[str, Any], *, refusals: tuple[int, ...]
) -> dict[str, Any]:
    yes = {"200": {"description": "yes", "content": _json(answer)}}
    return {"summary": summary, "responses": yes | _refusals(refusals)}


def _socket(summary: str, queries: tuple[str, ...]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": _TEXT} for name in queries]
    yes = {"101": {"description": "a WebSocket, without compression"}}
    return {
        "summary": f"{summary} Needs a member's certificate.",
        "parameters": parameters,
        "responses": yes | _refusals(_MEMBER_NOES),
    }


def _refusals(statuses: tuple[int, ...]) -> dict[str, Any]:
    return {
        str(status): {"description": _WHY[status], "content": _json(_REFUSED)}
        for status in sorted((*statuses, *_EVERYWHERE))
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def text() -> str:
    return json.dumps(document(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
