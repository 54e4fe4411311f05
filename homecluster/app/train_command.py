"""The command of one PC's ranks of a training: argv from a template, environment from the PC's own facts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from homecluster.app.gang_share_launch import interface_of, own_node
from homecluster.app.train_order import TrainOrder
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.job import Command
from homecluster.inventory.system import read_system
from homecluster.store.engine_store import Engine

JOB: Final = "homecluster.jobs.train_zero"
LAUNCHER: Final = "torch.distributed.run"
"""torch's own, where one PC has several ranks; a single rank needs none."""
LOOPBACK_INTERFACE: Final = "lo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where the ranks of this PC read and write."""

    model: Path
    data: Path
    output: Path
    settings: Path


def train_command(
    order: TrainOrder, engine: Engine, packages: Path, folders: Folders, *, resume: bool
) -> Command:
    """What this PC starts for its share.

    Raises:
        InputError: the order's address is not of this PC.
    """
    return Command(
        node=own_node(),
        argv=train_argv(str(engine.python), order, folders, resume=resume),
        env=_environment(order, engine, packages),
        ready_when="its first step is done",
    )


def train_argv(
    python: str, order: TrainOrder, folders: Folders, *, resume: bool
) -> tuple[str, ...]:
    """This PC's ranks: the job itself for one of them, torch's launcher around it for several."""
    several: tuple[str, ...] = ()
    if len(order.own_devices) > 1:
        several = (
            *("-m", LAUNCHER, "--nnodes", str(len(order.addresses))),
            *("--node-rank", str(order.share), "--nproc-per-node", str(len(order.own_devices))),
            *("--master-addr", order.addresses[0], "--master-port", str(order.meeting_port)),
        )
    return (
        *(python, *several, "-m", JOB),
        *("--model", str(folders.model), "--data", str(folders.data)),
        *("--output", str(folders.output), "--settings", str(folders.settings)),
        *(("--resume",) if resume else ()),
    )


def _environment(order: TrainOrder, engine: Engine, packages: Path) -> tuple[tuple[str, str], ...]:
    """DeepSpeed looks for `ninja` on PATH; the packages lie beside the engine, not in it."""
    alone = len(order.addresses) == 1
    interface = LOOPBACK_INTERFACE if alone else interface_of(order.addresses[order.share])
    variables = {
        "PATH": f"{engine.python.parent}:{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(packages),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "GLOO_SOCKET_IFNAME": interface,
        "TP_SOCKET_IFNAME": interface,
        "NCCL_SOCKET_IFNAME": f"={interface}",
    }
    if order.kind is DeviceKind.CPU:
        cores = max(1, len(read_system().engine_cores))
        variables |= {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": str(cores)}
    else:
        variables["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, order.own_devices))
    if order.ranks > 1 and len(order.own_devices) == 1:
        variables |= {
            "RANK": str(order.first_rank),
            "WORLD_SIZE": str(order.ranks),
            "MASTER_ADDR": order.addresses[0],
            "MASTER_PORT": str(order.meeting_port),
        }
    return tuple(variables.items())
