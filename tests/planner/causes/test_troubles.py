"""Each trouble is called by its name on two homes; healthy homes are left in peace; of two, the graver speaks first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from homecluster.domain.hardware import Provenance, WslMode
from homecluster.domain.signs import InterfaceSigns, Signs
from homecluster.domain.workload import Goal, Serve
from homecluster.planner.causes.now import as_seen
from homecluster.planner.diagnosis import diagnose_signs
from homecluster.planner.problem import Pins
from tests.planner.causes.homes import (
    HOMES,
    ONE,
    TENSOR,
    Home,
    alone,
    asked,
    both,
    cable,
    gpu_is,
    job_is,
    link_is,
    node_is,
    slow_second_card,
    wifi,
)
from tests.planner.causes.troubles import PAIRS, TROUBLES, VPN


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_trouble_is_named_first(home: str, trouble: str) -> None:
    expected, apply = TROUBLES[trouble]

    assert apply(HOMES[home]()).ids()[:1] == [expected]


@pytest.mark.parametrize("home", [*HOMES.values(), alone])
def test_a_healthy_home_is_left_in_peace(home: Callable[[], Home]) -> None:
    assert home().ids() == []


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
def test_of_two_troubles_both_are_named_and_the_graver_first(
    home: str, pair: tuple[str, str]
) -> None:
    (first, one), (second, other) = (TROUBLES[name] for name in pair)

    ids = both(one, other)(HOMES[home]()).ids()

    assert ids[0] == PAIRS[pair]
    assert {first, second} <= set(ids)


def test_the_ordinary_queues_of_a_slow_home_are_no_bufferbloat() -> None:
    """A healthy hotspot: 128 KiB at 20 Mbit/s on each of two hops."""
    home = link_is(rtt_s=0.020, rtt_p95_s=0.023, loaded_rtt_s=0.125)(wifi())

    assert "bufferbloat" not in home.ids()


def test_a_rate_that_swung_in_a_quick_probe_accuses_no_uplink() -> None:
    _, thin = TROUBLES["a thin uplink"]
    home = link_is(rate_is_rough=True)(thin(cable()))

    diagnosis = home.diagnose()

    assert "asymmetric-uplink" not in [cause.id for cause in diagnosis.causes]
    assert any("it swung in a quick probe" in gap for gap in diagnosis.gaps)


def test_a_mended_link_is_not_held_against_curves_that_were_measured_on_the_thin_one() -> None:
    """Else an engine that is quicker than the formula hides what its link costs it."""
    rate = wifi().cluster.links[0].bandwidth_bytes_per_s
    thin = link_is(back_too=False, bandwidth_bytes_per_s=rate / 8, usual_bandwidth_bytes_per_s=None)
    home = asked(pins=TENSOR, workload=ONE)(thin(wifi()))
    quick = ((1024, 1e-6), (1024**2, 1e-4))
    links = tuple(
        replace(link, all_reduce=quick, exchange=quick)
        for link in as_seen(home.cluster, home.signs).links
    )
    measured = replace(home, cluster=replace(home.cluster, links=links))

    (found,) = [one for one in measured.diagnose().causes if one.id == "asymmetric-uplink"]

    assert found.effect_tokens_per_s > 0


def test_a_slow_card_in_a_tensor_parallel_group_is_named() -> None:
    assert slow_second_card(cable()).ids()[0] == "slow-device-in-tensor-group"


def test_a_slow_start_is_explained_while_it_lasts() -> None:
    starting = job_is(state="starting", phase="preparing memory", elapsed_s=30.0)
    (first, *_) = starting(asked(pins=TENSOR, workload=ONE)(wifi())).diagnose().causes

    assert first.id == "start-up-looks-stuck"
    assert "30 s of about" in first.summary


def test_a_start_that_lasts_far_longer_than_predicted_is_no_longer_explained_by_the_link() -> None:
    starting = job_is(state="starting", phase="preparing memory", elapsed_s=36000.0)

    assert "start-up-looks-stuck" not in starting(asked(pins=TENSOR, workload=ONE)(wifi())).ids()


def test_while_a_job_starts_what_slows_its_start_comes_first() -> None:
    """Tokens that will wait for the link are no reason for a start that waits for a core."""
    starting = job_is(state="starting", phase="preparing memory", elapsed_s=120.0)
    busy = node_is(quota_throttled_ratio=0.5)(
        asked(pins=TENSOR, model="gpt2", workload=ONE)(wifi())
    )

    assert starting(busy).ids()[:2] == ["cpu-quota", "latency-bound-tensor-parallel"]
    assert busy.ids()[0] == "latency-bound-tensor-parallel"


def test_of_what_slows_a_start_that_comes_first_for_which_programs_wait_most() -> None:
    """A start has no tokens yet: what they would gain does not rank a disk against a core."""
    loading = job_is(state="starting", phase="loading weights", elapsed_s=60.0)
    both = node_is(io_stall_ratio=0.5, other_busy_cores=7.0, cpu_stall_ratio=0.15)

    assert loading(both(asked(pins=TENSOR)(cable()))).ids()[:2] == [
        "disk-bound-load",
        "busy-elsewhere",
    ]


def test_loss_comes_before_the_layout_that_suffers_from_it() -> None:
    """Mended, the pipeline would be fine: the link is why, not the layout."""
    lossy = link_is(echoes=400, echoes_lost=60)(asked(workload=ONE)(wifi())).ids()

    assert lossy[0] == "packet-loss"


def test_a_layout_that_is_wrong_on_a_healthy_link_too_comes_before_loss() -> None:
    lossy = link_is(echoes=400, echoes_lost=3)(
        asked(pins=TENSOR, model="gpt2", workload=ONE)(wifi())
    )

    assert lossy.ids()[0] == "latency-bound-tensor-parallel"


def test_the_measured_speed_of_the_job_stands_beside_the_prediction() -> None:
    slow = job_is(output_tokens_per_s=1.0)(asked(pins=TENSOR, model="gpt2", workload=ONE)(wifi()))

    (first, *_) = slow.diagnose().causes

    assert any(line.startswith("measured now: 1 tokens/s; predicted") for line in first.evidence)


def test_links_do_not_trouble_a_job_on_one_pc() -> None:
    home = cable()
    single = replace(home, model="gpt2", workload=ONE, pins=alone().pins)

    assert "packet-loss" not in link_is(echoes=100, echoes_lost=50)(single).ids()


def test_one_request_for_a_pipeline_that_is_the_best_there_is_is_no_trouble() -> None:
    one = asked(workload=Serve(concurrent_requests=1, goal=Goal.LATENCY))

    assert "too-little-concurrency" not in one(wifi()).ids()


def test_without_a_model_the_signs_alone_are_judged() -> None:
    home = node_is(clock_offset_s=60.0)(link_is(echoes=400, echoes_lost=40)(cable()))

    ids = [cause.id for cause in diagnose_signs(home.cluster, home.signs).causes]

    assert ids == ["clock-skew", "packet-loss"]


def test_where_nothing_was_measured_nothing_is_called_healthy() -> None:
    unmeasured = cable().cluster
    typed = replace(
        unmeasured,
        links=tuple(replace(one, provenance=Provenance.ASSUMED) for one in unmeasured.links),
    )

    found = diagnose_signs(typed, Signs())

    assert not found.healthy
    assert [gap.rpartition(": ")[2] for gap in found.gaps] == [
        "homecluster diagnose, typed on one of them",
        "homecluster probe",
    ]


def test_a_home_that_was_measured_has_no_gaps() -> None:
    home = job_is(output_tokens_per_s=40.0)(cable())

    assert diagnose_signs(home.cluster, home.signs).gaps == ()


@pytest.mark.parametrize("lost", [0, 1])
def test_a_single_lost_echo_is_chance(lost: int) -> None:
    assert link_is(echoes=60, echoes_lost=lost)(cable()).ids() == []


def test_retransmissions_of_a_full_bloated_queue_are_not_called_loss() -> None:
    bloated = link_is(
        loaded_rtt_s=0.9, echoes=None, echoes_lost=None, retransmits=500, carried_bytes=1e7
    )

    assert bloated(cable()).ids() == ["bufferbloat"]


def test_an_idle_card_that_lowers_its_clock_is_not_throttled() -> None:
    assert gpu_is(throttled_by=("power",), clock_hz=0.2e9, busy_ratio=0.0)(cable()).ids() == []


def test_a_vpn_between_two_homes_was_chosen_and_is_no_trouble() -> None:
    elsewhere = InterfaceSigns(name="eth0", kind="wired", address="10.1.2.3")

    assert node_is(interfaces=(VPN, elsewhere))(cable()).ids() == []


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [(("10.1.2.3", "10.1.2.4"), ["wrong-interface"]), (("192.168.122.1", "192.168.122.1"), [])],
    ids=["of WSL", "libvirt's own"],
)
def test_a_virtual_adapter_is_at_home_where_other_pcs_are_on_its_network(
    addresses: tuple[str, str], expected: list[str]
) -> None:
    home = cable()
    nodes = tuple(
        replace(one, interfaces=(InterfaceSigns(name="eth0", kind="virtual", address=address), VPN))
        for one, address in zip(home.signs.nodes, addresses, strict=True)
    )

    assert replace(home, signs=replace(home.signs, nodes=nodes)).ids() == expected


def test_a_name_that_leads_to_loopback_is_no_trouble_while_everything_works() -> None:
    """Every Debian has it."""
    assert node_is(host_name_address="127.0.1.1")(cable()).ids() == []


def test_a_wsl_behind_nat_that_serves_by_itself_is_no_trouble() -> None:
    single = asked(model="gpt2", pins=Pins(replicas=1, tensor_parallel=1, pipeline_parallel=1))

    assert "wsl-nat" not in node_is(os="wsl2", wsl_mode=WslMode.NAT)(single(cable())).ids()
