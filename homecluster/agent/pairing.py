"""Who is let into the cluster: pure steps of the coordinator's state, each with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from homecluster.agent.limits import MAX_MEMBERS, MAX_NAME, MAX_TOKENS, TOKEN_LIFE_S
from homecluster.agent.tokens import hash_of, is_secret
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.store.cluster_state import ClusterState, Pin, WaitingToken

NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
CLUSTER_ID = re.compile(r"[0-9a-f]{1,64}", re.ASCII)
_NOBODY_SHA256 = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The moment of a decision, on clocks that nobody can turn."""

    boot_id: str
    boottime_s: float
    wall: str
    """UTC, ISO 8601; written down, never compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    """What a PC that wants in has said; its key is the one that it proved to hold."""

    token_id: str
    secret: str
    key_sha256: str
    wanted_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    pin: Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """`status` is HTTP's, `reason` a sentence that tells a stranger nothing about the cluster."""

    status: int
    reason: str


def give_token(
    state: ClusterState, *, token_id: str, secret: str, role: Role, now: Now
) -> ClusterState:
    """The state with one more waiting token; dead ones are forgotten, and the oldest beyond the limit."""
    token = WaitingToken(
        token_id=token_id,
        secret_sha256=hash_of(secret),
        role=role,
        boot_id=now.boot_id,
        expires_boottime_s=now.boottime_s + TOKEN_LIFE_S,
    )
    alive = tuple(one for one in state.tokens if _is_alive(one, now))
    return replace(state, tokens=(*alive, token)[-MAX_TOKENS:])


def admit(
    state: ClusterState, request: JoinRequest, now: Now
) -> tuple[ClusterState, Admitted | Refused]:
    """The member that the request makes, once per token.

    The same key with the same token gets the same answer again, since the first may have been lost.
    Whatever is wrong with a token is told in the same words.
    """
    token = next((one for one in state.tokens if one.token_id == request.token_id), None)
    fits = is_secret(request.secret, token.secret_sha256 if token else _NOBODY_SHA256)
    if token is None or not fits or not _is_alive(token, now):
        return state, Refused(
            status=403, reason="this token is not valid, was used, or is older than 15 minutes"
        )
    known = next((pin for pin in state.pins if pin.key_sha256 == request.key_sha256), None)
    if token.used_by_key_sha256 is not None:
        if token.used_by_key_sha256 == request.key_sha256 and known is not None:
            return state, Admitted(pin=known)
        return state, Refused(
            status=403, reason="this token is not valid, was used, or is older than 15 minutes"
        )
    if known is None and len(state.pins) >= MAX_MEMBERS:
        return state, Refused(status=409, reason=f"the cluster has {MAX_MEMBERS} members already")
    return _let_in(state, token, request, known, now)


def _let_in(
    state: ClusterState, token: WaitingToken, request: JoinRequest, known: Pin | None, now: Now
) -> tuple[ClusterState, Admitted]:
    pin = Pin(
        node=known.node if known else free_name(state, request.wanted_name),
        key_sha256=request.key_sha256,
        role=token.role,
        added_at=now.wall,
    )
    used = replace(token, used_by_key_sha256=request.key_sha256)
    others = tuple(one for one in state.pins if one.key_sha256 != request.key_sha256)
    return (
        replace(
            state,
            pins=(*others, pin),
            revoked=tuple(key for key in state.revoked if key != request.key_sha256),
            tokens=tuple(used if one is token else one for one in state.tokens),
        ),
        Admitted(pin=pin),
    )


def put_out(state: ClusterState, node: NodeId, *, is_revoked: bool) -> ClusterState:
    """The state without that member; a revoked one is remembered so that it can be told.

    A token that it used goes with it: nobody comes back by a token that was spent.
    """
    gone = {pin.key_sha256 for pin in state.pins if pin.node == node}
    revoked = tuple(key for key in state.revoked if key not in gone)
    return replace(
        state,
        pins=tuple(pin for pin in state.pins if pin.node != node),
        revoked=(*revoked, *sorted(gone))[-MAX_MEMBERS:] if is_revoked else revoked,
        tokens=tuple(one for one in state.tokens if one.used_by_key_sha256 not in gone),
    )


def member_of(state: ClusterState, key_sha256: str) -> Pin | None:
    """The member that holds this key; a valid certificate alone is not enough."""
    return next((pin for pin in state.pins if pin.key_sha256 == key_sha256), None)


def free_name(state: ClusterState, wanted: str) -> NodeId:
    """The wanted name, or with a number behind it when another PC has it."""
    base = wanted if NODE.fullmatch(wanted) else "pc"
    taken = {str(pin.node).lower() for pin in state.pins} | {str(state.node).lower()}
    if base.lower() not in taken:
        return NodeId(base)
    number = 2
    while f"{base[: MAX_NAME - 6]}-{number}".lower() in taken:
        number += 1
    return NodeId(f"{base[: MAX_NAME - 6]}-{number}")


def _is_alive(token: WaitingToken, now: Now) -> bool:
    return token.boot_id == now.boot_id and now.boottime_s < token.expires_boottime_s
