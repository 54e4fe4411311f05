"""The command of one PC's share of a gang: argv from a template, environment from the PC's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command
from homecluster.domain.plan import Backend
from homecluster.engines import small_collectives
from homecluster.engines.ray_command import ray_environment, ray_wrapped
from homecluster.engines.vllm_environment import Environment, engine_environment
from homecluster.engines.vllm_gang_order import ShareOrder
from homecluster.engines.vllm_launch import (
    SEED,
    SERVER,
    Installation,
    draft_arguments,
    server_arguments,
)

VLLM = "vllm.entrypoints.cli.main"
"""`vllm serve --headless` exists only behind the command line of vLLM, not in its server module."""


def share_command(
    order: ShareOrder,
    *,
    node: NodeId,
    interface: str,
    model_folder: str,
    is_local: bool,
    installation: Installation,
    token_files: Mapping[str, str] = MappingProxyType({}),
) -> Command:
    """What this PC starts for its share.

    Args:
        order: as it was told, checked.
        node: this PC.
        interface: its network interface that has the order's address.
        model_folder: where the model lies here, or a hub id.
        is_local: it lies here, so the hub must not be asked.
        installation: this PC's engine.
        token_files: the private file of each secret that `tokens_of` the order names.
    """
    serves = order.share == 0
    argv = (
        *_program(order, installation, model_folder),
        *_model_arguments(order),
        *draft_arguments(order.drafts),
        *_parallel_arguments(order),
        *_memory_arguments(order),
        *(server_arguments(order.api_host, order.api_port) if serves else ()),
    )
    if order.backend is Backend.RAY:
        argv = ray_wrapped(order, python=installation.python, server=argv if serves else ())
    return Command(
        node=node,
        argv=argv,
        env=_environment(order, interface, installation, is_local, token_files),
        ready_when="a token came back through all PCs of the copy",
    )


def _program(order: ShareOrder, installation: Installation, folder: str) -> tuple[str, ...]:
    if order.share == 0:
        return (installation.python, "-m", SERVER, "--model", folder)
    return (installation.python, "-m", VLLM, "serve", folder, "--headless")


def _model_arguments(order: ShareOrder) -> tuple[str, ...]:
    return (
        f"--served-model-name={order.served_model}",
        *("--max-model-len", str(order.max_model_len)),
        *("--dtype", order.dtype, "--seed", str(SEED)),
        *("--max-num-batched-tokens", str(order.batch_tokens)),
    )


def _parallel_arguments(order: ShareOrder) -> tuple[str, ...]:
    sizes = (
        *("--tensor-parallel-size", str(order.tensor_parallel)),
        *("--pipeline-parallel-size", str(len(order.partition))),
        *("--distributed-executor-backend", str(order.backend)),
    )
    if order.backend is not Backend.MP:
        return sizes
    return (
        *sizes,
        *("--nnodes", str(len(order.addresses)), "--node-rank", str(order.share)),
        *("--master-addr", order.addresses[0], "--master-port", str(order.meeting_port)),
    )


def _memory_arguments(order: ShareOrder) -> tuple[str, ...]:
    if order.kind is DeviceKind.CPU:
        return ("--enforce-eager", "--kv-cache-memory-bytes", str(order.cache_bytes))
    return ("--gpu-memory-utilization", str(order.memory_share))


def _environment(
    order: ShareOrder,
    interface: str,
    installation: Installation,
    is_local: bool,
    token_files: Mapping[str, str],
) -> Environment:
    inside = engine_environment(
        kind=order.kind,
        ranks=order.ranks,
        cores=installation.cores,
        weights_local=is_local,
        partition=order.partition,
        device_indices=order.devices if order.kind is DeviceKind.CUDA else (),
        openmp_library=installation.openmp_library,
    )
    own_address = order.addresses[order.share]
    # Each PC names its own: vLLM would ask the routing table, gloo the hostname (often 127.0.1.1),
    # NCCL takes the first interface that is not a known virtual one.
    outside = {
        "VLLM_HOST_IP": own_address,
        "GLOO_SOCKET_IFNAME": interface,
        "NCCL_SOCKET_IFNAME": f"={interface}",
        "TP_SOCKET_IFNAME": interface,
    }
    if order.backend is Backend.RAY:
        outside |= ray_environment(token_files["ray_token"], order.meeting_port)
    if order.backend is Backend.RAY and order.kind is DeviceKind.CPU:
        # Ray's workers are not started by vLLM's executor, so its lists of cores reach none of them.
        outside |= {
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(max(1, len(installation.cores) // order.ranks)),
        }
    outside |= dict(
        small_collectives.environment(
            order.small_collectives, token_file=token_files.get("exchange_token")
        )
    )
    return tuple(sorted((dict(inside) | outside).items()))
