"""The kernel's counters as they are printed, and what two looks at them say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.inventory.counters import (
    HostCounters,
    parse_segments,
    parse_stall_s,
    parse_swapped_bytes,
    parse_throttled_s,
    read_counters,
)
from homecluster.inventory.node_watch import Look, between
from homecluster.inventory.own_name import address_in_hosts

PRESSURE = """\
some avg10=0.35 avg60=0.12 avg300=0.03 total=2500000
full avg10=0.00 avg60=0.00 avg300=0.00 total=41"""
SNMP = """\
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs RetransSegs InErrs OutRsts InCsumErrors
Tcp: 1 200 120000 -1 42 2 0 0 0 16705 9202 17 0 60 0"""
HOSTS = """\
127.0.0.1\tlocalhost
::1 desk
127.0.1.1\tdesk.home Desk  # as the installer wrote it
192.168.1.5 desk"""


def test_seconds_of_a_pressure_file_are_of_its_some_line() -> None:
    assert parse_stall_s(PRESSURE) == 2.5


def test_segments_sent_and_sent_again_are_found_by_their_names() -> None:
    assert parse_segments(SNMP) == (9202, 17)


def test_swapped_bytes_are_pages_in_and_out() -> None:
    assert parse_swapped_bytes("nr_free 7\npswpin 10\npswpout 5\npgsteal 1") == 15 * 4096


def test_time_held_back_by_a_quota_is_read_in_either_version() -> None:
    assert parse_throttled_s("nr_periods 5\nthrottled_usec 1500000") == 1.5
    assert parse_throttled_s("nr_periods 5\nthrottled_time 1500000000") == 1.5


def test_the_first_ipv4_address_of_the_own_name_counts_whatever_its_case() -> None:
    assert address_in_hosts(HOSTS, "desk") == "127.0.1.1"
    assert address_in_hosts(HOSTS, "desk.home") == "127.0.1.1"
    assert address_in_hosts(HOSTS, "other") is None


@settings(max_examples=60, deadline=None)
@given(st.text())
def test_any_text_is_read_without_complaint(text: str) -> None:
    for parse in (parse_stall_s, parse_segments, parse_swapped_bytes, parse_throttled_s):
        parse(text)
    address_in_hosts(text, "desk")


def test_a_system_without_these_files_counts_what_it_can() -> None:
    counters = read_counters(lambda _: None)

    assert counters.busy_cpu_s > 0
    assert counters.stall_s("memory") is None


FIRST = HostCounters(
    at_s=10.0, busy_cpu_s=100.0, swapped_bytes=0.0, disk_read_bytes=1e6, stalls_s=(("memory", 1.0),),
    heat_events=3, quota_throttled_s=0.0, segments_sent=1000, segments_sent_again=10,
)  # fmt: skip


def test_rates_are_what_grew_per_second() -> None:
    later = replace(
        FIRST, at_s=14.0, busy_cpu_s=112.0, swapped_bytes=8e6, stalls_s=(("memory", 2.0),),
        heat_events=5, quota_throttled_s=1.0, segments_sent=1400, segments_sent_again=14,
    )  # fmt: skip

    rates = between(
        Look(host=FIRST, job_cpu_s=((7, "VLLM::EngineCore", 5.0),)),
        Look(host=later, job_cpu_s=((7, "VLLM::EngineCore", 9.0), (8, "new", 50.0))),
    )

    assert (rates.job_busy_cores, rates.other_busy_cores) == (1.0, 2.0)
    assert rates.scheduler_busy_ratio == 1.0
    assert (rates.stall("memory"), rates.swapped_bytes_per_s) == (0.25, 2e6)
    assert (rates.heat_events, rates.quota_throttled_ratio) == (2, 0.25)
    assert rates.retransmit_ratio == 0.01


def test_counters_that_fell_or_are_missing_give_no_rate() -> None:
    later = HostCounters(at_s=11.0, busy_cpu_s=100.5)

    rates = between(Look(host=FIRST, job_cpu_s=()), Look(host=later, job_cpu_s=()))

    assert rates.swapped_bytes_per_s is None
    assert rates.stall("memory") is None
    assert rates.scheduler_busy_ratio is None
