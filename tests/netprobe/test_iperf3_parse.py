import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netprobe.probes.iperf3_parse import failure_kind, parse, parse_version
from netprobe.types import FailureKind

DATA = Path(__file__).parent / "data"
KEYS = st.sampled_from(
    [
        *("end", "intervals", "sum", "bits_per_second", "seconds", "omitted", "error", "start"),
        *("sum_received", "sum_sent", "retransmits", "sender_tcp_congestion", "host"),
        "accepted_connection",
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANY_SHAPE = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=40,
)


def captured(name):
    return parse((DATA / f"iperf3-{name}.json").read_text())


@pytest.mark.parametrize("version", ["3.12", "3.21"])
def test_the_servers_view_has_the_samples_of_what_arrived(version):
    """Captured on a 100 Mbit/s link."""
    seen = captured(f"{version}-server")
    assert seen.error is None
    assert seen.accepted_from is not None
    assert len(seen.rates_bytes_per_s) in {10, 11}
    assert 11.5e6 < sum(seen.rates_bytes_per_s) / len(seen.rates_bytes_per_s) < 12.5e6


@pytest.mark.parametrize("version", ["3.12", "3.21"])
def test_the_clients_view_has_retransmits_and_congestion_control(version):
    seen = captured(f"{version}-forward")
    assert seen.congestion_control == "bbr"
    assert seen.retransmits is not None
    assert seen.received_bytes_per_s == pytest.approx(11.9e6, rel=0.05)


@pytest.mark.parametrize("name", ["3.12-back", "3.21-server-3.12-back"])
def test_going_back_the_client_has_the_samples(name):
    """Captured on a link with 50 Mbit/s back."""
    seen = captured(name)
    assert sum(seen.rates_bytes_per_s[2:]) / len(seen.rates_bytes_per_s[2:]) == pytest.approx(
        6.0e6, rel=0.1
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("3.12-refused", FailureKind.REFUSED),
        ("3.21-refused", FailureKind.REFUSED),
        ("3.12-busy", FailureKind.BUSY),
    ],
)
def test_the_error_key_is_understood(name, kind):
    error = captured(name).error
    assert error is not None
    assert failure_kind(error) is kind


@settings(max_examples=400)
@given(ANY_SHAPE)
def test_no_shape_crashes_the_parser_and_every_rate_is_sane(document):
    seen = parse(json.dumps(document))
    assert all(0 <= rate <= 1e13 for rate in seen.rates_bytes_per_s)
    assert seen.received_bytes_per_s is None or 0 <= seen.received_bytes_per_s <= 1e13
    assert seen.retransmits is None or seen.retransmits >= 0


@given(st.text())
def test_no_text_crashes_the_parser(text):
    parse(text)
    parse_version(text)
    failure_kind(text)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"end":' * 50_000, "", "9" * 10_000, "{}x"])
def test_absurd_texts_are_an_error_and_no_crash(text):
    assert parse(text).error is not None


def test_truncated_real_output_is_an_error():
    whole = (DATA / "iperf3-3.12-server.json").read_text()
    for length in range(0, len(whole) - 2, 97):
        assert parse(whole[:length]).error is not None


def test_versions_are_read_and_other_programs_are_not():
    assert parse_version("iperf 3.12 (cJSON 1.7.15)\nLinux") == "3.12"
    assert parse_version("iperf 3.21+ (cJSON 1.7.15)") == "3.21"
    assert parse_version("hello") is None
