"""What a link would cost this model: how long tensor parallel over it waits for the network between two tokens."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from homecluster.domain.hardware import DTYPE_BYTES, DType
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster, Link
from homecluster.planner.network import Fabric, all_reduce

_LITTLE: Final = 0.25
"""Of the time that one PC needs for a token: below it a link is hardly felt."""


class Worth(StrEnum):
    """A link's price beside the time that one PC needs for a token."""

    GOOD = "good"
    FAIR = "fair"
    COSTLY = "costly"
    UNKNOWN = "unknown"


def token_price_s(cluster: Cluster, fabric: Fabric, spec: ModelSpec, link: Link) -> float | None:
    """Seconds that one token's all-reduces take over this pair; None when only one direction is known.

    Tensor parallel over two PCs makes 2L + 1 all-reduces of one hidden state a token: two a layer, and
    one for the embedding. `fabric` is the cluster's own, made once for many links.
    """
    if not fabric.knows((link.src, link.dst)):
        return None
    ends = (cluster.node(link.src).devices, cluster.node(link.dst).devices)
    if not all(ends):
        return None
    group = (ends[0][0], ends[1][0])
    message_bytes = spec.hidden_size * DTYPE_BYTES[DType.BF16]
    return all_reduce(fabric, group, message_bytes).times(2 * spec.layers + 1).total_s


def worth(price_s: float | None, one_pc_token_s: float | None) -> Worth:
    """How the price compares with a token's time on the best single PC; unknown without either."""
    if price_s is None or not one_pc_token_s:
        return Worth.UNKNOWN
    if price_s <= _LITTLE * one_pc_token_s:
        return Worth.GOOD
    return Worth.FAIR if price_s <= one_pc_token_s else Worth.COSTLY
