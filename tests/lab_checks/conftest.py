"""A lab for one test module, and the reason in plain sight where there can be none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.availability import require_lab
from tests.lab.lab import Lab


@pytest.fixture
def _lab_possible() -> None:
    require_lab()


@pytest.fixture(scope="module")
def gigabit() -> Iterator[Lab]:
    """Three hosts on a 1 GbE switch; a test that changes a link puts it back."""
    require_lab()
    with Lab("1gbe", hosts=3) as lab:
        yield lab
