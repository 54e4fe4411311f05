"""Faults of one copy over two PCs that are quick to show; `python -m benchmarks.faults` shows all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.gang_faults import FAULTS, Fault
from tests.cluster.gang_home import GangHome, gang_home
from tests.lab.availability import require_lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]

QUICK = (
    "kill -9 of a share's supervisor",
    "link down for 1 s",
    "another vLLM on one PC",
    "127.0.1.1 for the PC's own name in /etc/hosts",
    "Ctrl-C as the leading process starts",
)


@pytest.fixture(scope="module")
def home() -> Iterator[GangHome]:
    require_lab()
    with gang_home() as made:
        yield made


@pytest.mark.parametrize(
    "fault", [one for one in FAULTS if one.name in QUICK], ids=lambda one: one.name
)
def test_a_fault_has_the_stated_outcome_and_leaves_nothing(fault: Fault, home: GangHome) -> None:
    fault.show(home)


def test_every_quick_fault_is_one_of_all() -> None:
    assert set(QUICK) <= {fault.name for fault in FAULTS}
