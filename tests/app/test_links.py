"""What was seen of a link becomes what is believed of it, on the safe side."""

from __future__ import annotations

from typing import Any

import pytest

from homecluster.app.links import believed_links
from homecluster.domain.hardware import DeviceKind, Provenance
from homecluster.domain.ids import NodeId
from netprobe.types import CurvePoint, Interface, InterfaceKind, Report, RoundTrip, Throughput

DESK, LAPTOP = NodeId("desk"), NodeId("laptop")


def seen(**changes):
    facts: dict[str, Any] = {
        "src": "desk",
        "dst": "192.168.1.7",
        "plan": "full",
        "started_at": "2026-11-21T12:00:00+00:00",
        "interface": Interface(name="eth0", kind=InterfaceKind.WIRED, reason="has a speed"),
        "round_trip": RoundTrip(
            min_s=1e-3, p50_s=2e-3, p95_s=5.29e-3, p99_s=9e-3, sent=100, lost=2
        ),
        "throughput": Throughput(
            forward_bytes_per_s=10e6,
            back_bytes_per_s=2e6,
            tool="iperf3 3.12",
            congestion_control="cubic",
            forward_retransmits=0,
            back_retransmits=0,
            steady=True,
        ),
        "exchange": (
            CurvePoint(size_bytes=64, p50_s=1e-3),
            CurvePoint(size_bytes=1024, p50_s=2e-3),
        ),
        "all_reduce": {
            "gloo": (CurvePoint(size_bytes=1024, p50_s=4e-3),),
            "nccl": (CurvePoint(size_bytes=1024, p50_s=2e-3),),
        },
    } | changes
    return Report(**facts)


def links(report, kind=DeviceKind.CPU):
    return believed_links(report, DESK, LAPTOP, kind)


def test_each_direction_keeps_its_own_bandwidth():
    forward, back = links(seen())

    assert (forward.src, forward.dst, forward.bandwidth_bytes_per_s) == (DESK, LAPTOP, 10e6)
    assert (back.src, back.dst, back.bandwidth_bytes_per_s) == (LAPTOP, DESK, 2e6)


def test_latency_is_half_the_median_and_jitter_what_the_95th_percentile_implies():
    forward, _ = links(seen())

    assert forward.latency_s == pytest.approx(1e-3)
    assert forward.jitter_s == pytest.approx(2e-3)  # (5.29 ms - 2 ms) / 1.645
    assert forward.loss_ratio == pytest.approx(0.02)
    assert forward.provenance is Provenance.MEASURED


def test_an_unsteady_direction_counts_with_its_lower_quartile():
    rate = seen().throughput
    unsteady = Throughput(
        **{name: getattr(rate, name) for name in rate.__slots__ if name != "steady"}, steady=False
    )
    rates = (4e6, 8e6, 12e6, 16e6)

    forward, back = links(
        seen(throughput=unsteady, samples={"throughput_forward_bytes_per_s": rates})
    )

    assert 4e6 <= forward.bandwidth_bytes_per_s < 8e6
    assert back.bandwidth_bytes_per_s == 2e6


def test_a_radio_at_the_far_end_makes_both_directions_share_the_air():
    radio = Interface(name="wlan0", kind=InterfaceKind.WIFI, reason="phy80211")

    forward, back = links(seen(far_interface=radio))

    assert forward.medium is not None
    assert forward.medium == back.medium
    assert links(seen())[0].medium is None


def test_the_all_reduce_of_the_engine_that_would_run_is_taken():
    assert links(seen(), DeviceKind.CPU)[0].all_reduce == ((1024, 4e-3),)
    assert links(seen(), DeviceKind.CUDA)[0].all_reduce == ((1024, 2e-3),)


def test_what_was_not_measured_stays_unknown():
    rate = seen().throughput
    one_way = Throughput(
        **{name: getattr(rate, name) for name in rate.__slots__ if name != "back_bytes_per_s"},
        back_bytes_per_s=None,
    )

    assert links(seen(round_trip=None)) == ()
    assert links(seen(throughput=None)) == ()
    assert [(link.src, link.dst) for link in links(seen(throughput=one_way))] == [(DESK, LAPTOP)]


def test_a_chain_of_messages_takes_their_means():
    points = (CurvePoint(size_bytes=1024, p50_s=4e-3, mean_s=5e-3),)

    forward, _ = links(seen(all_reduce={"gloo": points}))

    assert forward.all_reduce == ((1024, 5e-3),)
