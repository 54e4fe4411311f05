"""A whole copy as a job of this PC: planned by this PC for its own devices, in the shape that was ordered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.copy_order import CopyOrder
from homecluster.app.gang_share_launch import installation_of, own_node
from homecluster.app.model_files import local_folder, random_folder
from homecluster.app.plan import make_plans
from homecluster.app.shared_model import known_model
from homecluster.app.this_pc import this_pc
from homecluster.app.up import best_here
from homecluster.domain.hardware import Node
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.domain.plan import Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.engines.vllm_launch import Installation, Served, launch_spec
from homecluster.errors import InputError
from homecluster.store import share_files
from homecluster.store.engine_store import Engine
from homecluster.store.job_store import JobFolder, Launch
from homecluster.store.paths import Paths
from homecluster.store.plan_document import plan_table, workload_table

HOST = "127.0.0.1"
"""The address is the coordinator's; a copy listens to its own PC only, and to the agent's tunnel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What this PC would start for an order."""

    spec: LaunchSpec
    plans: PlanSet
    plan: Plan
    model_folder: Path | None


def plan_copy(
    paths: Paths, folder: JobFolder, order: CopyOrder, installation: Installation, port: int
) -> Planned:
    """The order as this PC plans it.

    Raises:
        InputError: the model or a device is not of this PC.
        HomeclusterError: the copy does not fit here; says by how much.
    """
    found = known_model(paths, order.model, order.shape)
    node = _with_devices(this_pc(paths).nodes[0], order)
    plans = make_plans(Cluster(nodes=(node,)), found.spec, order.workload, order.pins)
    plan = best_here(plans, node)
    here = local_folder(paths, found, random_weights=order.random_weights)
    if here is None and order.random_weights:
        here = random_folder(paths, found)  # made before the engine starts
    spec = launch_spec(
        layout=plan.layout,
        estimate=plan.estimate,
        workload=order.workload,
        node=node,
        served=Served(
            spec=found.spec,
            folder=str(here or found.hub_id or found.folder),
            is_local=here is not None,
            name=order.served_model,
            host=HOST,
            port=port,
            api_key_file=share_files.key_file(folder),
        ),
        installation=installation,
    )
    return Planned(spec=spec, plans=plans, plan=plan, model_folder=here)


def copy_launch(
    paths: Paths, folder: JobFolder, order: CopyOrder, engine: Engine, port: int
) -> Launch:
    """What this PC starts for the order; errors as of `plan_copy`."""
    planned = plan_copy(paths, folder, order, installation_of(engine), port)
    return Launch(
        job_id=JobId(order.share_id),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine.name,
        model=order.model,
        model_folder=str(planned.model_folder or ""),
        random_weights=order.random_weights,
        start_limit_s=order.start_limit_s,
        spec=planned.spec,
        plan=plan_table(planned.plan),
        workload=workload_table(order.workload),
        cluster_fingerprint=planned.plans.cluster_fingerprint,
    )


def first_launch(folder: JobFolder, order: CopyOrder, engine: Engine, port: int) -> Launch:
    """Before the model's files are here: who it is and where it will answer."""
    command = Command(node=own_node(), argv=(), env=(), ready_when="its model is here")
    return Launch(
        job_id=JobId(order.share_id),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine.name,
        model=order.model,
        random_weights=order.random_weights,
        start_limit_s=order.start_limit_s,
        spec=LaunchSpec(
            commands=(command,),
            host=HOST,
            port=port,
            served_model=order.served_model,
            api_key_file=share_files.key_file(folder),
        ),
        workload=workload_table(order.workload),
    )


def _with_devices(node: Node, order: CopyOrder) -> Node:
    """The PC with only the ordered devices (InputError when one is not here)."""
    own = {device.id.rpartition("/")[2]: device for device in node.devices}
    absent = [name for name in order.devices if name not in own]
    if absent:
        raise InputError(f"{node.id} has no device {absent[0]}; it has {', '.join(own) or 'none'}")
    return replace(node, devices=tuple(own[name] for name in order.devices))
