"""The engine's own all-reduce over an emulated link."""

import os

import pytest

from homecluster.domain.hardware import DeviceKind
from homecluster.store.engine_store import find_engine
from homecluster.store.paths import paths_from
from tests.lab.availability import require_lab
from tests.lab.lab import Lab
from tests.netprobe.in_lab import link_home, probe, served

pytestmark = [pytest.mark.engine, pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def engine_python():
    require_lab()
    return str(find_engine(paths_from(os.environ).engines, DeviceKind.CPU).python)


def test_gloo_costs_about_two_round_trips_where_the_exchange_costs_half_of_one(engine_python):
    options = ("--engine-python", engine_python)
    with Lab(link_home(100, 100, 10)) as lab, served(lab, "b", options=options):
        report, _ = probe(lab, "a", "b", *options)
        found = lab.host("b").run(["ss", "-Hltun"]).stdout.splitlines()
    assert not [one for one in report.failures if one.probe == "all_reduce"]
    gloo = {point.size_bytes: point.p50_s for point in report.all_reduce["gloo"]}
    exchange = {point.size_bytes: point.p50_s for point in report.exchange}
    assert gloo[1024] > 0.009
    assert 0.0045 <= exchange[1024] < gloo[1024]
    assert gloo[1048576] > gloo[1024]
    assert len(found) == 2


def test_without_an_engine_at_the_far_side_only_the_all_reduce_fails(engine_python):
    with Lab("100mbe", hosts=2) as lab, served(lab, "b"):
        report, code = probe(lab, "a", "b", "--quick", "--engine-python", engine_python)
    assert code == 0
    assert [(one.probe, one.kind) for one in report.failures] == [("all_reduce", "tool_missing")]
    assert report.throughput is not None
