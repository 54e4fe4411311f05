"""The switch's model in virtual time: no root, no sockets, no sleep."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lab.frame import FLOOD, MULTICAST, UNICAST, Frame
from tests.lab.medium import Medium
from tests.lab.network import Network
from tests.lab.pipe import Shape
from tests.lab.segment import Port, Segment

FRAME_BYTES = 1514


class Room:
    """Ports a, b, c, d on one segment, and a log of what arrived when."""

    def __init__(self, *shapes: tuple[Shape, Shape], shared: bool = False, seed: int = 1) -> None:
        self.network = Network(Random(seed))
        self.segment = Segment()
        medium = Medium() if shared else None
        self.ports = [
            Port("abcd"[i], self.segment, up=up, down=down, medium=medium)
            for i, (up, down) in enumerate(shapes)
        ]
        for port in self.ports:
            self.segment.places[port.name.encode()] = port
        self.arrived: list[tuple[float, str, Frame]] = []

    def send(self, source: int, target: int, now_s: float, *, number: int, size: int) -> None:
        self.until(now_s)
        frame = Frame(
            str(number).encode(),
            wire_bytes=size,
            packet_bytes=size - 14,
            source=self.ports[source].name.encode(),
            destination=self.ports[target].name.encode(),
        )
        self.network.receive(self.ports[source], frame, now_s)
        self._log(now_s, self.network.advance(now_s))

    def until(self, now_s: float) -> None:
        """Advance event by event, so that the log has each arrival's own time."""
        while (due_s := self.network.next_due_s()) is not None and due_s <= now_s:
            self._log(due_s, self.network.advance(due_s))

    def _log(self, now_s: float, arrived: Iterable[tuple[Port, Frame]]) -> None:
        self.arrived += [(now_s, port.name, frame) for port, frame in arrived]

    def numbers(self) -> list[int]:
        return [int(frame.data) for _, _, frame in self.arrived]


class LateRoom(Room):
    """One that wakes up only when a frame is sent, or when told to."""

    def until(self, now_s: float) -> None:
        self._log(now_s, self.network.advance(now_s))


shapes = st.builds(
    Shape,
    rate_bytes_per_s=st.none() | st.floats(1e4, 1e8),
    delay_s=st.floats(0.01, 0.1),
    jitter_s=st.floats(0, 0.01),
    loss_ratio=st.sampled_from([0.0, 0.3]),
    queue_bytes=st.integers(0, 20_000),
    largest_packet_bytes=st.none() | st.integers(200, 1500),
)
Script = list[tuple[int, int, float, int]]
sends = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 2),
        st.floats(0, 0.01),  # pause before it
        st.integers(60, FRAME_BYTES),
    ).filter(lambda each: each[0] != each[1]),
    max_size=60,
)
rooms = st.builds(
    lambda sides, shared, seed: Room(*sides, shared=shared, seed=seed),
    st.lists(st.tuples(shapes, shapes), min_size=3, max_size=3),
    st.booleans(),
    st.integers(0, 99),
)


def play(room: Room, script: Script) -> float:
    now_s = 0.0
    for number, (source, target, pause_s, size) in enumerate(script):
        now_s += pause_s
        room.send(source, target, now_s, number=number, size=size)
    return now_s


@given(rooms, sends)
def test_every_byte_is_delivered_or_counted_as_dropped(room: Room, script: Script) -> None:
    play(room, script)
    room.until(1e6)
    for port in room.ports:
        for pipe in (port.up, port.down):
            count = pipe.count
            assert count.delivered_bytes + sum(count.dropped.values()) == count.offered_bytes
            assert pipe.queued_bytes == 0
    total_bytes = sum(frame.wire_bytes for _, _, frame in room.arrived)
    assert total_bytes == sum(port.down.count.delivered_bytes for port in room.ports)


@given(rooms, sends)
def test_frames_of_one_flow_never_overtake_each_other(room: Room, script: Script) -> None:
    play(room, script)
    room.until(1e6)
    for flow in {(frame.source, frame.destination) for _, _, frame in room.arrived}:
        numbers = [int(f.data) for _, _, f in room.arrived if (f.source, f.destination) == flow]
        assert numbers == sorted(numbers)


@given(rooms, sends)
def test_no_queue_ever_holds_more_than_its_bytes(room: Room, script: Script) -> None:
    now_s = 0.0
    for number, (source, target, pause_s, size) in enumerate(script):
        now_s += pause_s
        room.send(source, target, now_s, number=number, size=size)
        for port in room.ports:
            for pipe in (port.up, port.down):
                assert pipe.queued_bytes <= pipe.shape.queue_bytes
                assert pipe.queued_bytes == sum(frame.wire_bytes for frame in pipe.queue)


@given(st.floats(1e4, 1e7), sends)
def test_no_interval_carries_more_than_the_rate(rate: float, script: Script) -> None:
    down = Shape(rate_bytes_per_s=rate, queue_bytes=10**6)
    room = Room(*[(Shape(), down)] * 3)
    play(room, script)
    room.until(1e6)
    for port in room.ports:
        mine = [(at_s, frame) for at_s, name, frame in room.arrived if name == port.name]
        for (before_s, _), (at_s, frame) in pairwise(mine):
            assert at_s - before_s >= frame.wire_bytes / rate * (1 - 1e-9) - 1e-12


@given(rooms, sends, st.floats(0.001, 1.0))
def test_waking_up_late_changes_neither_what_arrives_nor_its_order(
    room: Room, script: Script, step_s: float
) -> None:
    lazy = LateRoom(*[(port.up.shape, port.down.shape) for port in room.ports], seed=0)
    prompt = Room(*[(port.up.shape, port.down.shape) for port in room.ports], seed=0)
    end_s = max(play(lazy, script), play(prompt, script))
    prompt.until(1e6)
    while lazy.network.next_due_s() is not None:
        end_s += step_s
        lazy.until(end_s)
    assert lazy.numbers() == prompt.numbers()


@given(shapes, sends)
def test_a_frame_arrives_within_delay_and_jitter_of_an_idle_link(
    side: Shape, script: Script
) -> None:
    """Without rate and loss: up and down each add delay ± jitter, order can only lengthen it."""
    plain = Shape(delay_s=side.delay_s, jitter_s=side.jitter_s)
    room = Room(*[(plain, plain)] * 3)
    sent_s, now_s = {}, 0.0
    for number, (source, target, pause_s, size) in enumerate(script):
        now_s += pause_s
        sent_s[number] = now_s
        room.send(source, target, now_s, number=number, size=size)
    room.until(1e6)
    assert len(room.arrived) == len(script)
    for at_s, _, frame in room.arrived:
        took_s = at_s - sent_s[int(frame.data)]
        assert 2 * (side.delay_s - side.jitter_s) - 1e-9 <= took_s
        assert took_s <= 2 * (side.delay_s + side.jitter_s) + 1e-9


def saturate(
    room: Room, pairs: list[tuple[int, int]], *, seconds: float, rate: float
) -> dict[tuple[int, int], float]:
    """Delivered bytes/s by pair when each source always has frames waiting."""
    gap_s = FRAME_BYTES / rate
    steps = int(seconds / gap_s)
    for step in range(steps):
        for source, target in pairs:
            room.send(source, target, step * gap_s, number=step, size=FRAME_BYTES)
    room.until(seconds)
    return {
        pair: sum(
            frame.wire_bytes
            for _, _, frame in room.arrived
            if (frame.source, frame.destination) == tuple("abcd"[i].encode() for i in pair)
        )
        / seconds
        for pair in pairs
    }


RATE = 1e6
AIR = Shape(rate_bytes_per_s=RATE, queue_bytes=20 * FRAME_BYTES)


def test_station_to_station_crosses_the_air_twice_so_it_gets_half() -> None:
    room = Room(*[(AIR, AIR)] * 2, shared=True)
    assert saturate(room, [(0, 1)], seconds=5, rate=RATE)[0, 1] == pytest.approx(RATE / 2, rel=0.02)


def test_two_pairs_on_one_medium_share_it_equally() -> None:
    room = Room(*[(AIR, AIR)] * 4, shared=True)
    rates = saturate(room, [(0, 1), (2, 3)], seconds=5, rate=RATE)
    assert rates[0, 1] == pytest.approx(RATE / 4, rel=0.02)
    assert rates[2, 3] == pytest.approx(RATE / 4, rel=0.02)


def test_two_pairs_on_a_switch_do_not_disturb_each_other() -> None:
    room = Room(*[(AIR, AIR)] * 4)
    rates = saturate(room, [(0, 1), (2, 3)], seconds=5, rate=RATE)
    assert rates[0, 1] == pytest.approx(RATE, rel=0.02)
    assert rates[2, 3] == pytest.approx(RATE, rel=0.02)


def test_a_slow_station_gets_as_much_airtime_as_a_fast_one_not_as_many_frames() -> None:
    """Fast at R, slow at R/4, equal airtime: of five time units each frame pair 4:1 in bytes."""
    slow = Shape(rate_bytes_per_s=RATE / 4, queue_bytes=20 * FRAME_BYTES)
    room = Room((AIR, AIR), (slow, slow), (Shape(), Shape()), shared=True)
    rates = saturate(room, [(0, 2), (1, 2)], seconds=10, rate=RATE)
    assert rates[0, 2] / rates[1, 2] == pytest.approx(4, rel=0.05)
    assert rates[0, 2] == pytest.approx(RATE / 2, rel=0.03)


def test_a_station_that_was_silent_saves_up_no_airtime() -> None:
    room = Room(*[(AIR, Shape())] * 3, shared=True)
    saturate(room, [(0, 2)], seconds=5, rate=RATE)
    room.arrived.clear()
    gap_s = FRAME_BYTES / RATE
    for step in range(200):
        for source in (0, 1):
            room.send(source, 2, 5 + step * gap_s, number=step, size=FRAME_BYTES)
    early = [f.source for _, _, f in room.arrived[:100]]
    assert 40 <= early.count(b"b") <= 60


def test_a_cut_link_loses_what_is_on_the_way() -> None:
    room = Room(*[(Shape(delay_s=1.0), Shape())] * 2)
    room.send(0, 1, 0.0, number=0, size=100)
    room.ports[0].up.shape = Shape(blocked=True)
    room.until(10)
    assert room.arrived == []
    assert room.ports[0].up.count.dropped["blocked"] == 100


def test_a_shortened_delay_does_not_let_frames_overtake() -> None:
    room = Room(*[(Shape(delay_s=1.0), Shape())] * 2)
    room.send(0, 1, 0.0, number=0, size=100)
    room.ports[0].up.shape = Shape(delay_s=0.0)
    room.send(0, 1, 0.1, number=1, size=100)
    room.until(10)
    assert room.numbers() == [0, 1]


def test_after_a_pause_a_radio_that_sleeps_hands_over_late_and_in_order() -> None:
    sleepy = Shape(wakes_s=0.1)
    room = Room((Shape(), Shape()), (Shape(), sleepy))
    for number, at_s in enumerate((1.0, 1.05, 1.15, 2.0)):
        room.send(0, 1, at_s, number=number, size=60)
    room.until(9.0)

    came_s = [at_s for at_s, _, _ in room.arrived]
    assert came_s == pytest.approx([1.1, 1.1, 1.15, 2.1])
    assert room.numbers() == [0, 1, 2, 3]


def test_a_rate_lifted_while_frames_wait_keeps_their_order() -> None:
    slow = Shape(rate_bytes_per_s=1000.0)
    room = Room(*[(slow, Shape())] * 2)
    for number in range(5):
        room.send(0, 1, 0.0, number=number, size=1000)
    room.ports[0].up.shape = Shape()
    room.send(0, 1, 0.5, number=5, size=1000)
    room.until(100)
    assert room.numbers() == [0, 1, 2, 3, 4, 5]


def test_a_black_hole_swallows_large_packets_only() -> None:
    room = Room(*[(Shape(largest_packet_bytes=1400), Shape())] * 2)
    room.send(0, 1, 0.0, number=0, size=1414)
    room.send(0, 1, 0.0, number=1, size=1415)
    assert room.numbers() == [0]


@settings(max_examples=20)
@given(st.floats(0.05, 0.5), st.integers(0, 1000))
def test_loss_is_the_share_that_was_asked_for(loss: float, seed: int) -> None:
    room = Room(*[(Shape(loss_ratio=loss), Shape())] * 2, seed=seed)
    for number in range(2000):
        room.send(0, 1, 0.0, number=number, size=100)
    lost = 1 - len(room.arrived) / 2000
    assert abs(lost - loss) < 5 * (loss * (1 - loss) / 2000) ** 0.5


def frame(source: str, destination: str, group: int) -> Frame:
    return Frame(
        b"",
        wire_bytes=100,
        packet_bytes=86,
        source=source.encode(),
        destination=destination.encode(),
        group=group,
    )


def access_point(*, isolation: bool, multicast_dropped: bool) -> tuple[Segment, dict[str, Port]]:
    """w is wired; s and t are stations."""
    segment = Segment(client_isolation=isolation, multicast_dropped=multicast_dropped)
    air = Medium()
    ports = {
        name: Port(name, segment, up=Shape(), down=Shape(), medium=medium)
        for name, medium in (("w", None), ("s", air), ("t", air))
    }
    for name, port in ports.items():
        segment.places[name.encode()] = port
    return segment, ports


@pytest.mark.parametrize(
    ("isolation", "multicast_dropped", "source", "destination", "group", "expected"),
    [
        (False, False, "s", "t", UNICAST, "t"),
        (True, False, "s", "t", UNICAST, ""),
        (True, False, "s", "w", UNICAST, "w"),
        (True, False, "w", "s", UNICAST, "s"),
        (True, False, "s", "*", FLOOD, "w"),
        (False, False, "s", "*", FLOOD, "wt"),
        (False, True, "s", "*", FLOOD, "wt"),
        (False, True, "s", "*", MULTICAST, ""),
        (False, True, "w", "*", MULTICAST, ""),
        (False, False, "w", "*", MULTICAST, "st"),
        (False, False, "w", "unknown", UNICAST, "st"),
    ],
)
def test_the_access_point_holds_back_what_it_should(
    *,
    isolation: bool,
    multicast_dropped: bool,
    source: str,
    destination: str,
    group: int,
    expected: str,
) -> None:
    segment, ports = access_point(isolation=isolation, multicast_dropped=multicast_dropped)
    targets = segment.targets(ports[source], frame(source, destination, group))
    assert "".join(each.name for each in targets) == expected


def test_a_host_that_moves_to_another_port_is_found_there() -> None:
    segment, ports = access_point(isolation=False, multicast_dropped=False)
    segment.targets(ports["t"], frame("s", "w", UNICAST))
    assert segment.targets(ports["w"], frame("w", "s", UNICAST)) == [ports["t"]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_bytes_per_s": 0.0},
        {"delay_s": -1.0},
        {"delay_s": 0.001, "jitter_s": 0.002},
        {"loss_ratio": 1.1},
        {"queue_bytes": -1},
    ],
)
def test_a_link_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Shape(**wrong)


@pytest.mark.parametrize(("leaves", "share"), [(False, 0.5), (True, 1.0)])
def test_a_cable_that_joins_a_medium_shares_its_airtime_until_it_leaves(
    leaves: bool, share: float
) -> None:
    room = Room(*[(AIR, AIR)] * 2)
    air = Medium()
    for port in room.ports:
        port.share(air)
        if leaves:
            port.share(None)
    rate = saturate(room, [(0, 1)], seconds=5, rate=RATE)[0, 1]
    assert rate == pytest.approx(share * RATE, rel=0.02)
