"""A share's order as it travels between PCs, and every check of what arrives."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.order_reader import OrderReader
from homecluster.domain.plan import Backend
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.engines.vllm_gang_order import ShareOrder
from homecluster.engines.vllm_launch import DTYPE_NAMES
from homecluster.errors import InputError

JOB: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,70}")
MODEL: Final = re.compile(
    r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?"
)
"""A catalogue name or a hub id; never a path of the PC that is told."""
SHAPE: Final = re.compile(r"[0-9a-f]{32}")
SERVED: Final = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,190}")
_MOST_PCS = 8
_MOST_RANKS = 64
_MOST_LAYERS = 1024
_MOST_DRAFTS = 16
_PORTS: Final = (1024, 65535)
_TIB: Final = 1024**4
_DTYPES: Final = frozenset({"auto", *DTYPE_NAMES.values()})


def order_document(order: ShareOrder) -> dict[str, Any]:
    """Plain JSON values, in the order of the fields."""
    return {
        "job": order.job,
        "share": order.share,
        "backend": str(order.backend),
        "tensor_parallel": order.tensor_parallel,
        "partition": list(order.partition),
        "kind": str(order.kind),
        "devices": list(order.devices),
        "addresses": list(order.addresses),
        "meeting_port": order.meeting_port,
        "model": order.model,
        "shape": order.shape,
        "random_weights": order.random_weights,
        "served_model": order.served_model,
        "max_model_len": order.max_model_len,
        "dtype": order.dtype,
        "cache_bytes": order.cache_bytes,
        # As whole numbers: the channel between PCs carries no fractions.
        "memory_share_permille": None
        if order.memory_share is None
        else round(order.memory_share * 1000),
        "batch_tokens": order.batch_tokens,
        "api_port": order.api_port,
        "api_host": order.api_host,
        "start_limit_s": round(order.start_limit_s),
        "small_collectives": str(order.small_collectives),
        "drafts": order.drafts,
    }


def read_order(document: Mapping[str, Any]) -> ShareOrder:
    """The order that a document tells.

    Raises:
        InputError: a field is missing, unknown, of the wrong type or out of its range; names it.
    """
    read = OrderReader(document)
    addresses = read.addresses("addresses", least=2, most=_MOST_PCS)
    kind = read.one_of("kind", DeviceKind)
    permille = read.optional_number("memory_share_permille", 50, 1000)
    order = ShareOrder(
        job=read.text("job", JOB),
        share=read.number("share", 0, len(addresses) - 1),
        backend=read.one_of("backend", (Backend.MP, Backend.RAY)),
        tensor_parallel=read.number("tensor_parallel", 1, _MOST_RANKS),
        partition=read.numbers("partition", 1, _MOST_LAYERS, count=_MOST_RANKS),
        kind=kind,
        devices=read.numbers("devices", 0, _MOST_RANKS, count=_MOST_RANKS),
        addresses=addresses,
        meeting_port=read.number("meeting_port", *_PORTS),
        model=read.text("model", MODEL),
        shape=read.text("shape", SHAPE),
        random_weights=read.boolean("random_weights"),
        served_model=read.text("served_model", SERVED),
        max_model_len=read.number("max_model_len", 1, 16_000_000),
        dtype=read.one_of("dtype", _DTYPES),
        cache_bytes=read.optional_number("cache_bytes", 1, 64 * _TIB),
        memory_share=None if permille is None else permille / 1000,
        batch_tokens=read.number("batch_tokens", 1, 1_000_000),
        api_port=read.number("api_port", 0, 65535),
        api_host=read.address("api_host"),
        start_limit_s=float(read.number("start_limit_s", 1, 7 * 24 * 3600)),
        small_collectives=read.one_of("small_collectives", SmallCollectives),
        drafts=read.number("drafts", 0, _MOST_DRAFTS),
    )
    read.finish()
    _check_together(order)
    return order


def _check_together(order: ShareOrder) -> None:
    needed = order.cache_bytes if order.kind is DeviceKind.CPU else order.memory_share
    if needed is None:
        raise InputError(f"the order of {order.share_id} says nothing of memory")
    ranks = order.tensor_parallel * len(order.partition)
    if order.backend is Backend.MP and order.ranks * len(order.addresses) != ranks:
        raise InputError(
            f"{len(order.addresses)} PCs with {order.ranks} ranks each are not {ranks} ranks"
        )
    if (order.api_port == 0) == (order.share == 0):
        raise InputError("share 0 serves the API, and no other")
