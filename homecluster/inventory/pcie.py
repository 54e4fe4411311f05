"""What joins the GPUs of this PC, as far as their PCIe links tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from homecluster.domain.hardware import Interconnect, Provenance
from homecluster.inventory.nvidia import Gpu
from homecluster.planner import priors

_LANE_BYTES_PER_S: Final = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}
"""PCI-SIG's rate of one lane and direction by generation, after line coding."""
_PRIOR_LINK: Final = 16 * _LANE_BYTES_PER_S[4]
"""The link that `priors.PCIE_BANDWIDTH_BYTES_PER_S` is stated for."""


def interconnect_of(gpus: Sequence[Gpu]) -> Interconnect | None:
    """The slowest card's link, scaled from the planner's prior; None with one GPU or an unknown link.

    Assumed, not measured: NVLink and peer-to-peer copies would be faster.
    """
    rates = [
        _LANE_BYTES_PER_S.get(gpu.pcie_generation or 0, 0) * (gpu.pcie_width or 0) for gpu in gpus
    ]
    if len(gpus) < 2 or min(rates) == 0:  # noqa: PLR2004 - one card has no neighbour
        return None
    return Interconnect(
        rtt_s=priors.PCIE_RTT_S,
        bandwidth_bytes_per_s=priors.PCIE_BANDWIDTH_BYTES_PER_S * min(rates) / _PRIOR_LINK,
        provenance=Provenance.ASSUMED,
    )
