"""The interconnect that PCIe links imply."""

from __future__ import annotations

import pytest

from homecluster.domain.hardware import Provenance
from homecluster.inventory.nvidia import Gpu
from homecluster.inventory.pcie import interconnect_of
from homecluster.planner import priors


def gpu(generation: int | None, width: int | None) -> Gpu:
    return Gpu(
        index=0,
        name="RTX 3090",
        uuid=None,
        memory_total_bytes=1,
        memory_free_bytes=1,
        compute_capability=(8, 6),
        pcie_generation=generation,
        pcie_width=width,
    )


def test_two_full_links_have_the_priors_bandwidth() -> None:
    link = interconnect_of([gpu(4, 16), gpu(4, 16)])
    assert link is not None
    assert link.bandwidth_bytes_per_s == pytest.approx(priors.PCIE_BANDWIDTH_BYTES_PER_S)
    assert link.provenance is Provenance.ASSUMED


def test_the_slowest_link_counts() -> None:
    link = interconnect_of(
        [gpu(4, 16), gpu(3, 4)]
    )  # a chipset slot: a quarter of the lanes at half the rate
    assert link is not None
    assert link.bandwidth_bytes_per_s == pytest.approx(
        priors.PCIE_BANDWIDTH_BYTES_PER_S / 8, rel=0.01
    )


@pytest.mark.parametrize(
    "gpus", [[], [gpu(4, 16)], [gpu(4, 16), gpu(None, 16)], [gpu(9, 16), gpu(4, 16)]]
)
def test_one_card_or_an_unknown_link_tells_nothing(gpus: list[Gpu]) -> None:
    assert interconnect_of(gpus) is None
