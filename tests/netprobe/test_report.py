import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netprobe.report import parse_report, report_document
from netprobe.types import (
    CurvePoint,
    Failure,
    Interface,
    Loaded,
    LoadedRoundTrip,
    Report,
    RoundTrip,
    Throughput,
)

times = st.floats(0, 100)
names = st.text(max_size=10)
curves = st.lists(
    st.builds(CurvePoint, size_bytes=st.integers(1, 2**30), p50_s=times), max_size=3
).map(tuple)
counts = st.integers(0, 10**9)
maybe_count = st.none() | counts
reports = st.builds(
    Report,
    src=names,
    dst=names,
    plan=names,
    started_at=names,
    duration_s=times,
    src_address=st.none() | names,
    dst_address=st.none() | names,
    interface=st.none() | st.builds(Interface, name=names, reason=names),
    far_interface=st.none() | st.builds(Interface, name=names, reason=names),
    round_trip=st.none()
    | st.builds(
        RoundTrip,
        min_s=times,
        p50_s=times,
        p95_s=times,
        p99_s=times,
        sent=counts,
        lost=counts,
        via=names,
    ),
    idle_first_packet_s=st.none() | times,
    throughput=st.none()
    | st.builds(
        Throughput,
        forward_bytes_per_s=st.none() | times,
        back_bytes_per_s=st.none() | times,
        tool=names,
        congestion_control=st.none() | names,
        forward_retransmits=maybe_count,
        back_retransmits=maybe_count,
    ),
    loaded_round_trip=st.none()
    | st.builds(
        LoadedRoundTrip,
        forward=st.none() | st.builds(Loaded, p50_s=times, p95_s=times),
        back=st.none() | st.builds(Loaded, p50_s=times, p95_s=times),
        grade=names,
    ),
    exchange=curves,
    all_reduce=st.dictionaries(names, curves, max_size=2),
    mtu_bytes=maybe_count,
    failures=st.lists(st.builds(Failure, probe=names, detail=names), max_size=3).map(tuple),
    samples=st.dictionaries(names, st.lists(times, max_size=5).map(tuple), max_size=3),
)
KEYS = sorted(report_document(Report(src="", dst="", plan="", started_at="")))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(reports)
def test_a_report_survives_being_a_document(report):
    assert parse_report(json.loads(json.dumps(report_document(report)))) == report


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_a_senseless_document_is_a_value_error(document):
    base = report_document(Report(src="a", dst="b", plan="full", started_at="t"))
    try:
        parse_report({**base, **document, "schema": "netprobe.report/1"})
    except ValueError:
        return


def test_another_schema_is_refused():
    with pytest.raises(ValueError, match=r"netprobe\.report/1"):
        parse_report({"schema": "netprobe.report/2"})


def test_the_document_has_the_names_of_the_contract():
    document = report_document(Report(src="a", dst="b", plan="full", started_at="t"))
    assert {
        *("schema", "src", "dst", "interface", "started_at", "round_trip", "throughput"),
        *("loaded_round_trip", "exchange", "all_reduce", "mtu_bytes", "failures", "samples"),
    } <= set(document)
