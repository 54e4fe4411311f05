"""What an mDNS record may say, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.discovery.records import (
    MAX_RECORD_BYTES,
    SERVICE,
    Advert,
    Unfit,
    advert_of,
    instance_label,
    parse_text,
    text_properties,
)
from tests.discovery.answers import CLUSTER, advert

NAMES = st.text(max_size=80)
ADVERTS = st.builds(
    Advert,
    cluster=st.text("0123456789abcdef", min_size=16, max_size=16),
    name=st.text("abzABZ059", min_size=1, max_size=40),
    port=st.integers(1, 65_535),
    protocol=st.integers(1, 9999),
)


def raw(properties: dict[str, str]) -> bytes:
    strings = [f"{key}={value}".encode() for key, value in properties.items()]
    return b"".join(bytes([len(one)]) + one for one in strings)


@settings(max_examples=100)
@given(ADVERTS)
def test_law_an_advert_survives_its_records(one: Advert) -> None:
    read = advert_of(f"{instance_label(one)}.{SERVICE}", one.port, raw(text_properties(one)))
    assert read == one


@settings(max_examples=100)
@given(NAMES)
def test_law_whatever_a_pc_is_called_its_label_is_read_back(name: str) -> None:
    one = advert(name=name)
    assert isinstance(advert_of(instance_label(one), 21000, raw(text_properties(one))), Advert)
    assert len(instance_label(one).encode()) <= 63  # a DNS label


@settings(max_examples=300)
@given(st.text(max_size=80), st.integers(-5, 70_000), st.binary(max_size=500))
def test_fuzz_any_record_is_an_advert_or_unfit(name: str, port: int, text: bytes) -> None:
    assert isinstance(advert_of(name, port, text), Advert | Unfit)


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_fuzz_any_text_is_read_or_refused(text: bytes) -> None:
    read = parse_text(text)
    assert isinstance(read, Unfit) or all(key.isascii() for key in read)


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"v": "1"}, "cluster id"),
        ({"v": "1", "id": "0123456789ABCDEF"}, "cluster id"),
        ({"v": "1", "id": "ffffffffffffffff"}, "cluster id"),
        ({"v": "0", "id": CLUSTER}, "version"),
        ({"v": "1\x1b[31m", "id": CLUSTER}, "version"),
        ({"v": "99999", "id": CLUSTER}, "version"),
    ],
)
def test_a_senseless_value_is_named(properties: dict[str, str], why: str) -> None:
    read = advert_of(instance_label(advert()), 21000, raw(properties))
    assert isinstance(read, Unfit)
    assert why in read.reason


def test_a_repeated_key_is_refused() -> None:
    read = parse_text(raw({"id": CLUSTER}) + raw({"ID": "other"}))
    assert read == Unfit(reason="its record says 'id' twice")


def test_a_huge_record_is_refused_by_its_size() -> None:
    read = advert_of(instance_label(advert()), 1, b"\x00" * (MAX_RECORD_BYTES + 1))
    assert isinstance(read, Unfit)
    assert "401 bytes" in read.reason


def test_the_record_says_no_more_than_version_and_cluster() -> None:
    assert text_properties(advert()) == {"v": "1", "id": CLUSTER}
