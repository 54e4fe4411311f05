"""The replica sweep with real Ray actors behind HTTP, at a small size."""

from __future__ import annotations

import pytest

from homecluster.store.engine_store import Engine
from tests.cli.shell import run

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_every_copy_answers_and_says_the_same(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_ENGINES", str(engine.path.parent))
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path_factory.mktemp("home")))
    ran = run("run", "replica-sweep", "--small", "--json")
    assert ran.code == 0, ran.err[-3000:]
    result = ran.document["result"]
    assert [row["replicas"] for row in result["curve"]] == [1, 2]
    assert all(row["same_tokens"] for row in result["curve"])
    assert result["curve"][-1]["answering"] == 2
    assert result["knee"]["replicas"] in {1, 2}
