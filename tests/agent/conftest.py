"""Fixtures of the agent's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.town import Town, town_in


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Its members try again at once, since each test waits for them."""
    monkeypatch.setattr("homecluster.agent.member.RETRY_MIN_S", 0.02)
    monkeypatch.setattr("homecluster.agent.member.RETRY_MAX_S", 0.2)
    with town_in(tmp_path) as made:
        yield made
