"""Which PC runs which copy of a plan, what it is told, and what it says that it brings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from homecluster.app.copies_host import OtherPc, ThisPc
from homecluster.app.copy_order import CopyOrder
from homecluster.app.ports import Members
from homecluster.app.shared_model import shape_of, shared_name
from homecluster.app.up import LEAST_START_LIMIT_S, START_LIMIT_FACTOR, Here, Wanted
from homecluster.domain.ids import NodeId
from homecluster.domain.job import JobId
from homecluster.domain.layout import Copy
from homecluster.domain.member import Health, Member
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.errors import HomeclusterError, InputError, PeerError

CHECK_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Who may run copies, as this PC sees it."""

    here: Here
    members: Members | None
    """None: this PC is in no cluster."""
    cluster: Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One copy of the plan, and the PC that runs it."""

    name: str
    member: Member | None
    """None: this PC, without an agent."""
    order: CopyOrder

    @property
    def is_here(self) -> bool:
        return self.member is None or self.member.is_here


def places_of(
    home: Home, plans: PlanSet, plan: Plan, wanted: Wanted, job: JobId
) -> tuple[Place, ...]:
    """Every copy of the plan with its PC.

    Raises:
        InputError: a PC of the plan is no member of the cluster.
        PeerError: it does not answer now.
    """
    homes = [next(iter(nodes_of(copy, home.cluster))) for copy in plan.layout.replicas]
    known = home.members.members() if home.members is not None else ()
    several = {node for node, count in Counter(homes).items() if count > 1}
    seen: Counter[NodeId] = Counter()
    places = []
    for number, (copy, node) in enumerate(zip(plan.layout.replicas, homes, strict=True)):
        seen[node] += 1
        order = _order(copy, number, plans=plans, plan=plan, wanted=wanted, job=job)
        places.append(
            Place(
                name=f"{node}-{seen[node]}" if node in several else str(node),
                member=_member(node, known, home.here.node.id),
                order=order,
            )
        )
    return tuple(places)


def _member(node: NodeId, known: tuple[Member, ...], here: NodeId) -> Member | None:
    found = [member for member in known if node in (member.name, member.node)]
    if not found and node == here:
        return None
    if not found:
        names = ", ".join(member.name for member in known) or "none"
        raise InputError(
            f"{node} of the plan is no member of this cluster",
            hint=f"members: {names}. On that PC type: homecluster join",
        )
    if found[0].health is not Health.ALIVE:
        raise PeerError(
            f"{node} does not answer now ({found[0].health})",
            hint="homecluster nodes shows who does; --nodes names those to use.",
        )
    return found[0]


def _order(
    copy: Copy, number: int, *, plans: PlanSet, plan: Plan, wanted: Wanted, job: JobId
) -> CopyOrder:
    workload = plans.workload
    limit_s = max(LEAST_START_LIMIT_S, START_LIMIT_FACTOR * plan.estimate.start_up_s.high)
    return CopyOrder(
        job=job,
        number=number,
        model=shared_name(wanted.found),
        shape=shape_of(wanted.found.config),
        random_weights=wanted.random_weights,
        served_model=wanted.found.spec.name,
        devices=tuple(d.rpartition("/")[2] for stage in copy for d in stage.devices),
        tensor_parallel=len(copy[0].devices),
        partition=tuple(stage.layers for stage in copy),
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.output_tokens,
        concurrent_requests=math.ceil(workload.concurrent_requests / len(plan.layout.replicas)),
        dtype=workload.dtype.value if workload.dtype else None,
        max_model_len=workload.max_model_len,
        memory_permille=round(workload.memory_utilization * 1000),
        start_limit_s=math.ceil(limit_s),
    )


def nodes_of(copy: Copy, cluster: Cluster) -> set[NodeId]:
    """The PCs that hold a part of the copy."""
    return {cluster.device(device).node_id for stage in copy for device in stage.devices}


def host_of(home: Home, place: Place) -> ThisPc | OtherPc:
    """How the copy's PC is asked."""
    if place.is_here or place.member is None:
        return ThisPc(home.here.paths)
    assert home.members is not None
    return OtherPc(home.members, place.member.node)


def check_all(home: Home, places: tuple[Place, ...]) -> tuple[Mapping[str, Any], ...]:
    """What every PC brings, asked at the same time.

    Raises:
        MissingError: this PC lacks the engine.
        PeerError: another one does, or does not answer; names it.
    """

    def ask(place: Place) -> Mapping[str, Any]:
        body = {
            "kind": str(place.order.kind),
            "model": place.order.model,
            "shape": place.order.shape,
            "random_weights": place.order.random_weights,
        }
        try:
            return host_of(home, place).ask("copy.check", body, deadline_s=CHECK_WITHIN_S)
        except HomeclusterError as error:
            if place.is_here:
                raise
            raise PeerError(f"{place.name}: {error.message}", hint=_there(place, error)) from error

    with ThreadPoolExecutor(max_workers=len(places)) as pool:
        return tuple(pool.map(ask, places))


def _there(place: Place, error: HomeclusterError) -> str | None:
    return f"on {place.name}: {error.hint}" if error.hint else None
