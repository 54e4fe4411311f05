"""Answers to our question, honest and forged."""

from __future__ import annotations

from ipaddress import IPv4Network

from hypothesis import given, settings
from hypothesis import strategies as st
from zeroconf._protocol.incoming import DNSIncoming

from homecluster.discovery.packets import Sighting, question, sightings
from homecluster.discovery.records import SERVICE
from tests.discovery.answers import advert, answer

HOME = (IPv4Network("10.77.0.0/24"),)


def test_the_question_asks_for_our_service_and_a_direct_answer() -> None:
    (asked,) = DNSIncoming(question()).questions
    assert asked.name == SERVICE
    assert asked.unicast


def test_an_answer_is_a_sighting_at_its_source_first() -> None:
    packet = answer(advert(), "172.17.0.1", "10.77.0.9", "10.77.0.2")
    (seen,) = sightings(packet, "10.77.0.2", HOME)
    assert seen == Sighting(
        advert=advert(), source="10.77.0.2", addresses=("10.77.0.2", "10.77.0.9")
    )


def test_a_forged_answer_cannot_name_addresses_outside_the_home() -> None:
    packet = answer(advert(), "203.0.113.7", "127.0.0.1", "fe80::1")
    (seen,) = sightings(packet, "10.77.0.66", HOME)
    assert seen.addresses == ("10.77.0.66",)


def test_at_most_four_addresses_are_believed() -> None:
    packet = answer(advert(), *(f"10.77.0.{host}" for host in range(10, 30)))
    (seen,) = sightings(packet, "10.77.0.2", HOME)
    assert len(seen.addresses) == 4


def test_a_question_is_no_answer() -> None:
    assert sightings(question(), "10.77.0.2", HOME) == ()


@settings(max_examples=200)
@given(st.binary(max_size=600))
def test_fuzz_any_bytes_are_sightings_or_nothing(packet: bytes) -> None:
    assert isinstance(sightings(packet, "10.77.0.2", HOME), tuple)


@settings(max_examples=200)
@given(st.data())
def test_fuzz_a_damaged_answer_is_sightings_or_nothing(data: st.DataObject) -> None:
    packet = bytearray(answer(advert(), "10.77.0.2"))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    for seen in sightings(bytes(packet), "10.77.0.2", HOME):
        assert seen.advert.name.isascii()
        assert all(one.startswith("10.77.0.") for one in seen.addresses)
