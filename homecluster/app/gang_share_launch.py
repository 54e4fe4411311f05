"""A share as a job of this PC: its command, with this PC's own engine, model folder and interface."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

from homecluster.app.shared_model import folder_or_hub_id
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.engines.vllm_gang_command import share_command
from homecluster.engines.vllm_gang_order import ShareOrder, tokens_of
from homecluster.engines.vllm_launch import Installation
from homecluster.errors import InputError
from homecluster.inventory.addresses import read_interfaces
from homecluster.inventory.collect import own_node_id
from homecluster.inventory.system import read_system
from homecluster.store import share_files
from homecluster.store.engine_store import Engine
from homecluster.store.job_store import JobFolder, Launch
from homecluster.store.paths import Paths

LOOPBACK = "127.0.0.1"
"""Listed for every address of 127.0.0.0/8; a gang inside one PC serves tests and trials."""


def share_launch(paths: Paths, folder: JobFolder, order: ShareOrder, engine: Engine) -> Launch:
    """What this PC starts for the order.

    Raises:
        InputError: the order's address is not of this PC.
    """
    model_folder, is_folder = folder_or_hub_id(paths, order)
    command = command_here(paths, folder, order, installation_of(engine))
    return Launch(
        job_id=JobId(order.share_id),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        engine=engine.name,
        model=order.model,
        model_folder=model_folder if is_folder else "",
        random_weights=order.random_weights,
        start_limit_s=order.start_limit_s,
        spec=LaunchSpec(
            commands=(command,),
            host=order.api_host,
            port=order.api_port,
            served_model=order.served_model,
            api_key_file=share_files.key_file(folder),
        ),
    )


def command_here(
    paths: Paths, folder: JobFolder, order: ShareOrder, installation: Installation
) -> Command:
    """What this PC starts for the order with that engine, which may still have to be installed.

    Raises:
        InputError: the order's address is not of this PC.
    """
    model_folder, is_folder = folder_or_hub_id(paths, order)
    return share_command(
        order,
        node=own_node(),
        interface=interface_of(order.addresses[order.share]),
        model_folder=model_folder,
        is_local=is_folder,
        installation=installation,
        token_files={name: str(share_files.secret_path(folder, name)) for name in tokens_of(order)},
    )


def own_node() -> NodeId:
    """This PC as clusters name it."""
    return own_node_id(read_system().hostname)


def installation_of(engine: Engine) -> Installation:
    """The engine with the cores of this PC."""
    return Installation(
        python=str(engine.python),
        cores=read_system().engine_cores,
        openmp_library=engine.openmp_library,
    )


def interface_of(address: str) -> str:
    """The network interface of this PC that has the address.

    Raises:
        InputError: none has it, or it is down.
    """
    listed = LOOPBACK if ipaddress.ip_address(address).is_loopback else address
    found = [one for one in read_interfaces() if one.address.partition("%")[0] == listed]
    if not found:
        raise InputError(
            f"no network interface of this PC has the address {address}",
            hint="it may have changed: homecluster nodes shows what each PC has now.",
        )
    if not found[0].is_up:
        raise InputError(f"{found[0].interface}, which has {address}, is down on this PC")
    return found[0].interface
