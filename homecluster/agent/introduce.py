"""A joiner's two questions to a PC: who are you, and, once its key is the token's, may I come in?"""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from homecluster.agent.identity import key_sha256_of_certificate
from homecluster.agent.limits import (
    CONNECT_S,
    MAX_BODY_BYTES,
    NEWEST_PROTOCOL,
    OLDEST_PROTOCOL,
)
from homecluster.agent.messages import matching
from homecluster.agent.pairing import CLUSTER_ID, NODE
from homecluster.agent.safe_json import BadMessageError, parse_table
from homecluster.agent.trust import joiner_context, unchecked_context
from homecluster.agent.versions import outdated_side
from homecluster.errors import PeerError

_JOIN_S = 15.0
_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Introduction:
    """What the PC at an address says of itself; believed only as far as its key is the expected one."""

    host: str
    port: int
    name: str
    cluster_id: str
    version: str
    cluster_certificate: str
    cluster_key_sha256: str


def ask_who(host: str, port: int, timeout_s: float = CONNECT_S) -> Introduction:
    """Who listens there; nothing secret is said.

    Raises:
        PeerError: nobody does, or something that is no cluster; or one side must be upgraded.
    """
    status, table = _exchange((host, port), unchecked_context(), "/v1/hello", None, timeout_s)
    if status != http.HTTPStatus.OK:
        raise PeerError(f"what answers at {host} port {port} is no cluster: status {status}")
    try:
        certificate = _text(table, "cluster_certificate")
        introduction = Introduction(
            host=host,
            port=port,
            name=matching(table, "name", NODE),
            cluster_id=matching(table, "cluster_id", CLUSTER_ID),
            version=matching(table, "version", _VERSION),
            cluster_certificate=certificate,
            cluster_key_sha256=key_sha256_of_certificate(certificate.encode()),
        )
    except BadMessageError as error:
        raise PeerError(f"what answers at {host} port {port} is no cluster: {error}") from error
    _check_versions(table, introduction)
    return introduction


def ask_in(introduction: Introduction, request: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a join request, from who proves to hold the cluster's key.

    Raises:
        PeerError: it is refused, or the PC cannot prove that.
    """
    document = {
        "oldest_protocol": OLDEST_PROTOCOL,
        "newest_protocol": NEWEST_PROTOCOL,
        **request,
    }
    place = (introduction.host, introduction.port)
    context = joiner_context(introduction.cluster_certificate)
    status, table = _exchange(place, context, "/v1/join", document, _JOIN_S)
    if status != http.HTTPStatus.OK:
        reason = table.get("reason")
        raise PeerError(
            f"{introduction.name} refuses: {reason if isinstance(reason, str) else status}",
            hint="a new token: homecluster token, on a PC of the cluster.",
        )
    return table


def _exchange(
    place: tuple[str, int],
    context: ssl.SSLContext,
    path: str,
    document: Mapping[str, Any] | None,
    timeout_s: float,
) -> tuple[int, dict[str, Any]]:
    host, port = place
    connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
    try:
        if document is None:
            connection.request("GET", path)
        else:
            body = json.dumps(document)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, parse_table(response.read(MAX_BODY_BYTES + 1))
    except ssl.SSLCertVerificationError as error:
        raise PeerError(
            f"the PC at {host} port {port} cannot prove that it holds the cluster's key",
            hint="somebody may be posing as your cluster; the secret was not sent.",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise PeerError(f"{host} port {port}: {str(error) or type(error).__name__}") from error
    except BadMessageError as error:
        raise PeerError(f"what answers at {host} port {port} is no cluster: {error}") from error
    finally:
        connection.close()


def _check_versions(table: Mapping[str, Any], introduction: Introduction) -> None:
    oldest, newest = table.get("oldest_protocol"), table.get("newest_protocol")
    if type(oldest) is not int or type(newest) is not int:
        raise PeerError(f"{introduction.name} does not say which protocol it speaks")
    trouble = outdated_side(oldest, newest, far=introduction.name)
    if trouble is not None:
        raise PeerError(trouble)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise BadMessageError(f"{key!r} is no text")
    return value
