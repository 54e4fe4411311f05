"""When one direction is measured again, and what both runs then say; without a network."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, cast

import pytest

from netprobe.probes.trouble import ProbeError
from netprobe.runner import throughput
from netprobe.runner.client import Client
from netprobe.runner.throughput import OneWay, one_way
from netprobe.types import FULL, QUICK, FailureKind, Plan

NOBODY = cast("Client", None)
WILD = OneWay(
    bytes_per_s=75.0, steady=False, rates_bytes_per_s=(50.0, 100.0) * 3, sample_s=0.1, retransmits=2
)
CALM = OneWay(
    bytes_per_s=75.0, steady=True, rates_bytes_per_s=(75.0,) * 30, sample_s=0.1, retransmits=3
)


def measured(monkeypatch: pytest.MonkeyPatch, plan: Plan, *runs: OneWay) -> tuple[OneWay, Any]:
    """What the runs are told as, and how long each took."""
    lasted_s: list[float] = []
    left = iter(runs)

    async def run(_client: object, duration_s: float, *, back: bool) -> OneWay:
        assert back
        lasted_s.append(duration_s)
        return next(left)

    monkeypatch.setattr(throughput, "_by_blast", run)
    return asyncio.run(one_way(NOBODY, plan, back=True, by_iperf3=False)), lasted_s


def test_an_unsteady_link_is_measured_once_more_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    way, lasted_s = measured(monkeypatch, FULL, WILD, CALM)

    assert lasted_s == [2.0, 3.0]
    assert way.rates_bytes_per_s == WILD.rates_bytes_per_s + CALM.rates_bytes_per_s
    assert (way.bytes_per_s, way.retransmits) == (75.0, 5)


@pytest.mark.parametrize(("plan", "run"), [(QUICK, WILD), (FULL, CALM)])
def test_one_run_is_enough_for_a_quick_probe_or_a_steady_link(
    monkeypatch: pytest.MonkeyPatch, plan: Plan, run: OneWay
) -> None:
    assert measured(monkeypatch, plan, run) == (run, [plan.throughput_s])


def test_a_connection_that_carries_nothing_is_a_blackhole(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProbeError) as caught:
        measured(monkeypatch, QUICK, replace(CALM, bytes_per_s=0.0))
    assert caught.value.kind is FailureKind.BLACKHOLE
