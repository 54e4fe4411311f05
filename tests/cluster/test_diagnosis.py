"""In emulated homes, measured by netprobe: the trouble that was injected is the one that is named first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.diagnosed import CASES, judged
from tests.lab.availability import require_lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]

ATTEMPTS = 2
"""A machine that is busy with something else may lose packets of its own."""


@pytest.fixture(autouse=True)
def _lab_possible() -> None:
    require_lab()


@pytest.mark.parametrize("name", ["thin uplink", "loss"])
def test_the_injected_trouble_is_named_first(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    for _ in range(ATTEMPTS):
        found = [cause["id"] for cause in judged(case, tmp_path)]
        if found[:1] == [case.expected]:
            break
    assert found[:1] == [case.expected]
