"""What one PC is told to run of a copy that spans several: typed, so that no argv travels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import Device, DeviceKind
from homecluster.domain.ids import NodeId
from homecluster.domain.layout import Layout
from homecluster.domain.model import ModelSpec
from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_launch import DTYPE_NAMES, context_tokens, cpu_cache_bytes
from homecluster.errors import InputError

PROFILE_LIMIT_S = 10.0
"""What vLLM's profiling pass may spend on the links; it sends what a full batch would."""
BATCH_TOKENS = (2048, 1024, 512, 256)
"""vLLM's own default first; 256 still keeps a prefill's arithmetic dense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareOrder:
    """One PC's part of one copy; every field is checked again by the PC that obeys."""

    job: str
    """The gang's job id; the share's own is `share_id`."""
    share: int
    """0 serves the API; the others follow in rank order."""
    backend: Backend
    tensor_parallel: int
    partition: tuple[int, ...]
    """Layers of each stage; its length is the number of stages."""
    kind: DeviceKind
    devices: tuple[int, ...]
    """Indices of this PC's devices, in rank order."""
    addresses: tuple[str, ...]
    """Of all shares' PCs, by share."""
    meeting_port: int
    """Where share 0 waits for the others: torch's store, or Ray's."""
    model: str
    """A catalogue name, a hub id, or a folder's own name; never a path."""
    shape: str
    """Digest of the model's configuration: a name may mean another model on another PC."""
    random_weights: bool
    served_model: str
    max_model_len: int
    dtype: str
    cache_bytes: int | None
    """KV cache of each rank; CPU only."""
    memory_share: float | None
    """Of each card; CUDA only."""
    batch_tokens: int
    """Tokens of one engine step at most; small on slow links, whose profiling pass sends so many."""
    api_port: int
    """0: this share serves no API."""
    api_host: str = "127.0.0.1"
    start_limit_s: float = 600.0
    small_collectives: SmallCollectives = SmallCollectives.ENGINE
    """Who carries the small tensors between the PCs; the same for all shares."""
    drafts: int = 0
    """Tokens that each step drafts by n-gram; the same for all shares."""

    @property
    def share_id(self) -> str:
        return f"{self.job}.{self.share}"

    @property
    def ranks(self) -> int:
        """Processes that compute on this PC."""
        return len(self.devices)


def tokens_of(order: ShareOrder) -> tuple[str, ...]:
    """The secrets without which strangers could join the job's own Ray or its exchange; alike on all PCs."""
    ray = ("ray_token",) if order.backend is Backend.RAY else ()
    exchange = order.small_collectives is SmallCollectives.EXCHANGE
    return (*ray, *(("exchange_token",) if exchange else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A PC of the gang as its own check told it."""

    node: NodeId
    address: str
    """Of the interface that carries the link of the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a whole gang is to be, beyond its layout."""

    job: str
    backend: Backend
    model: str
    shape: str
    random_weights: bool
    served_model: str
    meeting_port: int
    api_port: int
    api_host: str
    start_limit_s: float


def share_orders(
    *,
    layout: Layout,
    estimate: Estimate,
    workload: Serve,
    spec: ModelSpec,
    cluster: Cluster,
    seats: tuple[Seat, ...],
    asked: Asked,
) -> tuple[ShareOrder, ...]:
    """One order for each PC, in the order to start them; `seats` are in rank order.

    Raises:
        InputError: the layout has several copies.
    """
    if len(layout.replicas) > 1:
        raise InputError("a gang is one copy", hint="pin one copy: --replicas 1")
    devices = _devices(layout, cluster)
    kind = devices[0].kind
    return tuple(
        ShareOrder(
            job=asked.job,
            share=number,
            backend=asked.backend,
            tensor_parallel=layout.tensor_parallel,
            partition=layout.partition,
            kind=kind,
            devices=tuple(_index(device) for device in devices if device.node_id == seat.node),
            addresses=tuple(one.address for one in seats),
            meeting_port=asked.meeting_port,
            model=asked.model,
            shape=asked.shape,
            random_weights=asked.random_weights,
            served_model=asked.served_model,
            max_model_len=context_tokens(spec, workload),
            dtype="auto" if workload.dtype is None else DTYPE_NAMES.get(workload.dtype, "auto"),
            cache_bytes=cpu_cache_bytes(estimate, workload) if kind is DeviceKind.CPU else None,
            memory_share=_memory_share(devices, seat.node, estimate, workload)
            if kind is DeviceKind.CUDA
            else None,
            batch_tokens=batch_tokens(layout, spec, cluster, tuple(one.node for one in seats)),
            api_port=asked.api_port if number == 0 else 0,
            api_host=asked.api_host,
            start_limit_s=asked.start_limit_s,
            small_collectives=layout.small_collectives,
            drafts=layout.drafts,
        )
        for number, seat in enumerate(seats)
    )


def batch_tokens(
    layout: Layout, spec: ModelSpec, cluster: Cluster, nodes: tuple[NodeId, ...]
) -> int:
    """The largest batch whose profiling pass keeps the slowest link busy for `PROFILE_LIMIT_S` at most.

    Per token and rank, tensor parallel reduces 2 L + 1 vectors of the hidden size; a stage hands on
    two of them.
    """
    rates = [
        link.bandwidth_bytes_per_s for link in cluster.links if {link.src, link.dst} <= set(nodes)
    ]
    if not rates:
        return BATCH_TOKENS[0]
    vectors = 2 * spec.layers + 1 if layout.tensor_parallel > 1 else 2
    token_bytes = vectors * spec.hidden_size * 2
    fits = [n for n in BATCH_TOKENS if n * token_bytes / min(rates) <= PROFILE_LIMIT_S]
    return fits[0] if fits else BATCH_TOKENS[-1]


def _devices(layout: Layout, cluster: Cluster) -> tuple[Device, ...]:
    (copy,) = layout.replicas
    return tuple(cluster.device(one) for stage in copy for one in stage.devices)


def _index(device: Device) -> int:
    return int(device.id.rpartition(":")[2])


def _memory_share(
    devices: tuple[Device, ...], node: NodeId, estimate: Estimate, workload: Serve
) -> float:
    """Of this PC's cards only: unequal cards may take unequal shares."""
    totals = {device.id: device.memory_total_bytes for device in devices if device.node_id == node}
    shares = [
        use.capacity_bytes / totals[use.device] for use in estimate.memory if use.device in totals
    ]
    # Downwards: vLLM refuses to start when less is free than it is told to take.
    return math.floor(min(workload.memory_utilization, *shares) * 1000) / 1000
