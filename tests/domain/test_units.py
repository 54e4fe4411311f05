import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homecluster.domain import units
from homecluster.domain.units import (
    UnitError,
    parse_bandwidth,
    parse_bytes,
    parse_flops,
    parse_ratio,
    parse_seconds,
)

PARSERS = (parse_bytes, parse_bandwidth, parse_seconds, parse_flops, parse_ratio)
REAL = st.floats(1e-6, 1e17)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (parse_bytes, "24 GiB", 24 * 1024**3),
        (parse_bytes, "24GB", 24 * 10**9),
        (parse_bytes, " 1.5 KiB ", 1536),
        (parse_bandwidth, "20 Mbit/s", 2.5e6),
        (parse_bandwidth, "1008 GB/s", 1.008e12),
        (parse_seconds, "40 ms", 0.04),
        (parse_seconds, "30 us", 30e-6),
        (parse_seconds, "30 µs", 30e-6),
        (parse_seconds, "0 ms", 0.0),
        (parse_flops, "165 TFLOP/s", 1.65e14),
        (parse_flops, ".5e3 GFLOP/s", 5e11),
        (parse_ratio, "0.5 %", 0.005),
    ],
)  # fmt: skip
def test_a_quantity_becomes_base_units(parse, text: str, expected: float) -> None:
    assert parse(text) == pytest.approx(expected, rel=1e-12)


def read(parse, value: object) -> float | str:
    """The quantity, or the message of the refusal."""
    try:
        return parse(value)
    except UnitError as error:
        return str(error)


@given(st.sampled_from(PARSERS), st.text() | st.integers() | st.floats() | st.none())
def test_whatever_is_read_is_finite_and_not_negative_or_refused(parse, value: object) -> None:
    outcome = read(parse, value)
    assert len(outcome) < 400 if isinstance(outcome, str) else 0 <= outcome < math.inf


@given(st.sampled_from(PARSERS), st.text(alphabet="0123456789.eE+- nkMGTiBbits/FLOP%µ"))
def test_texts_that_look_like_quantities_never_crash_the_parser(parse, text: str) -> None:
    outcome = read(parse, text)
    assert isinstance(outcome, str) or 0 <= outcome < math.inf


@given(REAL)
def test_a_time_that_is_written_and_read_again_keeps_three_digits(value: float) -> None:
    text = units.format_seconds(value)
    if "min" not in text:
        assert parse_seconds(text) == pytest.approx(value, rel=0.006)


@given(REAL)
def test_a_link_rate_that_is_written_and_read_again_keeps_three_digits(value: float) -> None:
    assert parse_bandwidth(units.format_link_rate(value)) == pytest.approx(value, rel=0.006)


@given(st.integers(0, 10**16))
def test_a_size_that_is_written_and_read_again_keeps_three_digits(value: int) -> None:
    assert parse_bytes(units.format_bytes(value)) == pytest.approx(value, rel=0.006, abs=1)
    assert parse_bytes(units.format_traffic(value)) == pytest.approx(value, rel=0.006, abs=1)


@given(st.floats(1.0, 1e18))
def test_a_compute_rate_that_is_written_and_read_again_keeps_three_digits(value: float) -> None:
    assert parse_flops(units.format_flops(value)) == pytest.approx(value, rel=0.006)


@given(st.floats(1e-12, 1e24))
def test_a_number_that_is_written_with_all_digits_is_read_back_exactly(value: float) -> None:
    assert parse_bandwidth(f"{value!r} B/s") == value
    assert parse_seconds(f"{value!r} s") == value


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "40 ms"), (1.06, "1.06 s"), (125.0, "2 min 5 s"), (119.96, "120 s"), (0, "0 s"), (0.9999, "1000 ms"), (2e-8, "20 ns")],
)  # fmt: skip
def test_times_read_as_people_say_them(value: float, text: str) -> None:
    assert units.format_seconds(value) == text


@pytest.mark.parametrize("text", ["24 gib", "24 Gib", "24 gB"])
def test_a_misspelt_unit_names_the_nearest(text: str) -> None:
    with pytest.raises(UnitError, match=r"did you mean 'G(i)?B'"):
        parse_bytes(text)


@pytest.mark.parametrize(("unit", "meant"), [("Gb", "Gbit/s"), ("Mbps", "Mbit/s"), ("Gb/s", "Gbit/s"), ("Kbits", "kbit/s"), ("bps", "bit/s")])  # fmt: skip
def test_bits_are_never_taken_for_bytes_in_the_nearest_spelling(unit: str, meant: str) -> None:
    with pytest.raises(UnitError, match=f"did you mean '{meant}'"):
        parse_bandwidth(f"1 {unit}")
