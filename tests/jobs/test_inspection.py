"""The plug-in lets the server look at a model's class itself, in the CPU build only."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from homecluster.jobs.vllm_plugin import inspection


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """In place of vLLM's own, which is not here."""
    found = ModuleType("registry")
    found._run_in_subprocess = "stock"  # type: ignore[attr-defined]  # vLLM's name
    models = ModuleType("models")
    models.registry = found  # type: ignore[attr-defined]
    for name, module in (("vllm.model_executor.models", models), ("vllm", ModuleType("vllm"))):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "vllm.model_executor", ModuleType("vllm.model_executor"))
    return found


def test_the_cpu_build_asks_in_its_own_process(
    registry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "cpu_platform", lambda: "ours")
    inspection.inspect_here()
    assert registry._run_in_subprocess(lambda: "the model's facts") == "the model's facts"


def test_another_build_keeps_its_own_way(
    registry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "cpu_platform", lambda: None)
    inspection.inspect_here()
    assert registry._run_in_subprocess == "stock"
