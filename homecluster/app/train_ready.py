"""A training plan that may start: which PC holds which ranks, asked and found able; nothing runs yet."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.app.copies_places import Home
from homecluster.app.gang_seats import seat
from homecluster.app.ports import Members
from homecluster.app.shared_model import shape_of, shared_name
from homecluster.app.train_crew import Brought, Mate, ask_all
from homecluster.app.train_order import TrainOrder
from homecluster.app.training_packages import engine_that_trains
from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.ids import NodeId
from homecluster.domain.plan import Backend
from homecluster.domain.topology import Cluster
from homecluster.domain.training import TrainPlan, TrainPlanSet
from homecluster.engines.vllm_gang_parity import mismatches
from homecluster.errors import MissingError, PeerError
from homecluster.inventory.software import engine_versions, own_versions
from homecluster.launch.gang_fence import can_fence
from homecluster.launch.gang_ports import free_ports
from homecluster.planner.training.training_rules import has_bf16
from homecluster.store.engine_store import Engine
from homecluster.store.models import FoundModel

SEED: Final = 0
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What the user asked for that every rank must know."""

    found: FoundModel
    random_weights: bool
    steps: int | None
    save_every: int
    held_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What each PC of a training is told and brings; nothing runs yet."""

    order: TrainOrder
    """Of this PC, which is share 0."""
    mates: tuple[Mate, ...]
    brought: tuple[Brought, ...]
    """By mate."""

    @property
    def open_on(self) -> tuple[str, ...]:
        """Names of the PCs on which strangers cannot be kept from the ranks' ports."""
        if not self.mates:
            return ()
        others = tuple(str(one.node) for one in self.brought if not one.can_fence)
        return others if can_fence() else ("this PC", *others)


def make_ready(home: Home, plans: TrainPlanSet, plan: TrainPlan, run: Run) -> Ready:
    """Ask every PC of the plan what it brings.

    Raises:
        InputError: a PC is no member, or cannot be reached by the others.
        MissingError: several PCs shall train, and the engine or its training packages are missing here.
        PeerError: a PC does not answer, lacks something, or has other versions.
    """
    nodes = nodes_of(plan, home.here.node.id)
    kind = home.cluster.device(plan.devices[0]).kind
    addresses: tuple[str, ...] = (LOOPBACK,)
    brought: tuple[Brought, ...] = ()
    if len(nodes) > 1:
        members = members_of(home)
        engine = engine_that_trains(home.here.paths.engines, kind)
        addresses = tuple(one.address for one in seat(nodes, members.members()))
        brought = _ask(members, nodes, addresses, kind, run)
        _check_parity(home, engine, brought)
    order = order_of(home.cluster, plans, plan, dict(zip(nodes, addresses, strict=True)), run)
    return Ready(order=order, mates=mates_of(order, nodes), brought=brought)


def members_of(home: Home) -> Members:
    if home.members is None:
        raise MissingError("this PC is in no cluster", hint="homecluster join makes it a member.")
    return home.members


def nodes_of(plan: TrainPlan, own: NodeId) -> tuple[NodeId, ...]:
    """This PC first: it keeps what comes out."""
    return (own, *(node for node in plan.nodes if node != own))


def order_of(
    cluster: Cluster,
    plans: TrainPlanSet,
    plan: TrainPlan,
    seats: Mapping[NodeId, str],
    run: Run,
) -> TrainOrder:
    """What the first of the PCs (with their addresses) is told; the others' differ in the share."""
    nodes, addresses = tuple(seats), tuple(seats.values())
    samples = dict(plan.micro_batch)
    ranked = [
        [one for one in plan.devices if cluster.device(one).node_id == node] for node in nodes
    ]
    devices = [cluster.device(one) for one in plan.devices]
    workload = plans.workload
    able = DType.BF16 if all(map(has_bf16, devices)) else DType.FP16
    return TrainOrder(
        job=f"train-{secrets.token_hex(4)}",
        share=0,
        kind=devices[0].kind,
        devices=tuple(tuple(int(d.rpartition(":")[2]) for d in held) for held in ranked),
        addresses=addresses,
        meeting_port=free_ports(addresses[0], 1),
        model=shared_name(run.found),
        shape=shape_of(run.found.config),
        random_weights=run.random_weights,
        method=workload.method,
        lora_rank=workload.lora_rank,
        dtype=workload.dtype or able,
        zero_stage=plan.zero_stage,
        offload=plan.offload,
        overlap=plan.overlap,
        sequence=workload.sequence_tokens,
        micro_batches=tuple(samples[one] for held in ranked for one in held),
        accumulation=plan.gradient_accumulation,
        steps=run.steps,
        save_every=run.save_every,
        held_out_permille=round(run.held_out * 1000),
        seed=SEED,
    )


def mates_of(order: TrainOrder, nodes: tuple[NodeId, ...]) -> tuple[Mate, ...]:
    return tuple(
        Mate(node=node, order=replace(order, share=share))
        for share, node in enumerate(nodes)
        if share > 0
    )


def _ask(
    members: Members,
    nodes: tuple[NodeId, ...],
    addresses: tuple[str, ...],
    kind: DeviceKind,
    run: Run,
) -> tuple[Brought, ...]:
    address = dict(zip(nodes, addresses, strict=True))

    def body(node: NodeId) -> dict[str, Any]:
        return {
            "kind": str(kind), "address": address[node], "model": shared_name(run.found),
            "shape": shape_of(run.found.config), "random_weights": run.random_weights,
        }  # fmt: skip

    return ask_all(members, nodes[1:], body)


def _check_parity(home: Home, engine: Engine, brought: tuple[Brought, ...]) -> None:
    versions = {str(one.node): one.versions for one in brought}
    own = dict((*own_versions(lambda: None), *engine_versions(engine.python)))
    unlike = mismatches({str(home.here.node.id): own, **versions}, Backend.MP)
    if unlike:
        raise PeerError(
            f"these PCs cannot train together: {'; '.join(unlike)}",
            hint="upgrade the older side: pip install --upgrade homecluster, then homecluster engine install --training",
        )
