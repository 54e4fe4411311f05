"""What concerns the cluster itself, answered by the coordinator: members, tokens, putting out, leaving."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from homecluster.agent.clock import boottime_s
from homecluster.agent.limits import TOKEN_LIFE_S
from homecluster.agent.messages import Ask, role_from
from homecluster.agent.pairing import Now, give_token, put_out
from homecluster.agent.safe_json import BadMessageError
from homecluster.agent.tokens import ID_BYTES, SECRET_BYTES, JoinToken, token_text
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError
from homecluster.launch.identity import boot_id

if TYPE_CHECKING:
    from homecluster.agent.coordinator import Coordinator


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterVerb:
    """As `Verb`, for the coordinator's own state."""

    name: str
    needs: Role
    handle: Callable[[Coordinator, Ask], Awaitable[Mapping[str, Any]]]


def now() -> Now:
    return Now(
        boot_id=boot_id(),
        boottime_s=boottime_s(),
        wall=datetime.now(UTC).isoformat(timespec="seconds"),
    )


async def _members(coordinator: Coordinator, ask: Ask) -> Mapping[str, Any]:
    return {"members": [asdict(member) for member in coordinator.members(ask.asker)]}


async def _token(coordinator: Coordinator, ask: Ask) -> Mapping[str, Any]:
    try:
        role = role_from(ask.body)
    except BadMessageError as error:
        raise InputError(str(error)) from error
    token_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
    await coordinator.keeper.put(
        lambda state: give_token(state, token_id=token_id, secret=secret, role=role, now=now())
    )
    state = coordinator.keeper.state
    token = JoinToken(
        cluster_key_sha256=state.cluster_key_sha256,
        token_id=token_id,
        secret=secret,
        host=coordinator.own_address,
        port=state.port if coordinator.own_address else None,
    )
    return {"token": token_text(token), "role": role, "lifetime_s": TOKEN_LIFE_S}


async def _revoke(coordinator: Coordinator, ask: Ask) -> Mapping[str, Any]:
    node = _member_named(coordinator, ask.body.get("node"))
    await coordinator.keeper.put(lambda state: put_out(state, node, is_revoked=True))
    await coordinator.put_out(node, f"this PC was put out of the cluster by {ask.asker}")
    return {"node": node}


async def _leave(coordinator: Coordinator, ask: Ask) -> Mapping[str, Any]:
    """The asker itself goes; its connection ends when it closes it. Without its coordinator the cluster ends."""
    if ask.asker == coordinator.keeper.state.node:
        return {"node": ask.asker, "told": await _end_cluster(coordinator)}
    await coordinator.keeper.put(lambda state: put_out(state, ask.asker, is_revoked=False))
    coordinator.heard.pop(ask.asker, None)
    coordinator.last.pop(ask.asker, None)
    return {"node": ask.asker}


async def _end_cluster(coordinator: Coordinator) -> int:
    """How many connected members were told; who takes over with a backup finds them all waiting."""
    name = coordinator.keeper.state.node
    connected = tuple(coordinator.live)
    for node in connected:
        await coordinator.put_out(node, f"{name}, the coordinator, has left: the cluster has ended")
    return len(connected)


def _member_named(coordinator: Coordinator, name: object) -> NodeId:
    state = coordinator.keeper.state
    if name == state.node:
        raise InputError(
            f"{name} is the coordinator and cannot be put out",
            hint="another PC takes over with a backup: homecluster join --new --from-backup FILE",
        )
    if not any(pin.node == name for pin in state.pins):
        known = ", ".join(pin.node for pin in state.pins) or "none"
        raise InputError(f"no member is called {name!r}", hint=f"members: {known}")
    return NodeId(str(name))


CLUSTER_VERBS: tuple[ClusterVerb, ...] = (
    ClusterVerb(name="cluster.members", needs=Role.WORKER, handle=_members),
    ClusterVerb(name="cluster.token", needs=Role.OPERATOR, handle=_token),
    ClusterVerb(name="cluster.revoke", needs=Role.OPERATOR, handle=_revoke),
    ClusterVerb(name="cluster.leave", needs=Role.WORKER, handle=_leave),
)
