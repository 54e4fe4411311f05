"""The running switch: devices, the network between them, and changes while it runs."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from random import Random
from typing import Any, Final

from tests.lab.device import READ_BYTES, open_device, set_carrier
from tests.lab.frame import Frame, Kind, parse_frame
from tests.lab.medium import Medium
from tests.lab.namespaces import network_of
from tests.lab.network import Network
from tests.lab.plan import HomePlan
from tests.lab.segment import Port, Segment

_READS_PER_TURN: Final = 32
"""So that one busy host does not keep the others' frames waiting."""

_NAP_S: Final = 150e-6
_LONG_S: Final = 500e-6
"""A CPU that was idle for milliseconds wakes up about 80 us late, after a short nap about 20 us:
a long wait ends a nap early, and the nap is slept apart."""


class Switch:
    """Carries frames between the hosts of one home until `stop` is readable."""

    def __init__(self, home: HomePlan) -> None:
        self.network = Network(Random(home.seed))
        self.segments = {
            each.name: Segment(
                client_isolation=each.client_isolation, multicast_dropped=each.multicast_dropped
            )
            for each in home.segments
        }
        self._media: dict[str, Medium] = {}
        self.ports: dict[str, Port] = {}
        for each in home.interfaces:
            medium = self._media.setdefault(each.medium, Medium()) if each.medium else None
            segment = self.segments[each.segment]
            self.ports[each.port] = Port(
                each.port, segment, up=each.up, down=each.down, medium=medium
            )
        self._devices: dict[str, int] = {}
        self._by_handle: dict[int, tuple[Port, Kind]] = {}
        self._flaps: dict[str, _Flap] = {}

    def attach(self, home: HomePlan, host: str, pid: int) -> None:
        """Put the host's interfaces into its network."""
        with network_of(pid):
            for each in home.interfaces:
                if each.host == host:
                    handle = open_device(each.name, each.kind, gso=each.gso)
                    self._devices[each.port] = handle
                    self._by_handle[handle] = (self.ports[each.port], each.kind)

    def detach(self, host: str) -> None:
        """Take the host's interfaces away; an open device would keep its network alive."""
        for port in [each for each in self._devices if each.split(":")[0] == host]:
            handle = self._devices.pop(port)
            del self._by_handle[handle]
            os.close(handle)
            self._flaps.pop(port, None)

    def change_shape(self, port: str, direction: str, changes: dict[str, Any]) -> None:
        """Change one or both directions of a port from the next frame on."""
        for name in ("up", "down") if direction == "both" else (direction,):
            pipe = self.ports[port].up if name == "up" else self.ports[port].down
            pipe.shape = replace(pipe.shape, **changes)

    def change_medium(self, port: str, name: str | None) -> None:
        """Let a port share the transmitter of this name with others from the next frame on, or none."""
        shared = self._media.setdefault(name, Medium()) if name else None
        self.ports[port].share(shared)

    def change_segment(self, name: str, flags: dict[str, bool]) -> None:
        """Change what the access point holds back."""
        segment = self.segments[name]
        segment.client_isolation = flags.get("client_isolation", segment.client_isolation)
        segment.multicast_dropped = flags.get("multicast_dropped", segment.multicast_dropped)

    def plug(self, port: str, *, present: bool) -> None:
        """Cable in or out: the host sees its carrier, and nothing passes without it."""
        self.change_shape(port, "both", {"blocked": not present})
        set_carrier(self._devices[port], present=present)

    def flap(self, port: str, *, up_s: float, down_s: float) -> None:
        """Unplug and plug in turns, beginning now, until `steady`."""
        self._flaps[port] = _Flap(up_s=up_s, down_s=down_s)

    def steady(self, port: str) -> None:
        """End a flap; the port keeps the state it has."""
        self._flaps.pop(port, None)

    def counters(self) -> dict[str, dict[str, Any]]:
        """Port -> direction -> counts. `up` is what the host sent."""
        return {
            name: {"up": asdict(port.up.count), "down": asdict(port.down.count)}
            for name, port in self.ports.items()
        }

    def run(self, others: Callable[[], list[int]], on_readable: Callable[[int], None]) -> None:
        """Carry frames for ever; `others` are more handles to watch, served by `on_readable`.

        select and not epoll: Python rounds epoll's timeouts up to whole milliseconds.
        """
        while True:
            ready, _, _ = select.select([*self._by_handle, *others()], [], [], self._patience_s())
            self._deliver(self.network.advance(time.monotonic()))
            watched = set(self._by_handle)
            for handle in ready:
                if handle not in watched:
                    on_readable(handle)  # which may take devices away
                elif handle in self._by_handle:
                    self._read(handle)
            self._flap_due()

    def _patience_s(self) -> float | None:
        dues = [each.due_s for each in self._flaps.values()]
        due_s = self.network.next_due_s()
        if due_s is not None:
            dues.append(due_s)
        if not dues:
            return None
        patience_s = max(0.0, min(dues) - time.monotonic())
        return patience_s - _NAP_S if patience_s > _LONG_S else patience_s

    def _read(self, handle: int) -> None:
        port, kind = self._by_handle[handle]
        network = self.network
        for _ in range(_READS_PER_TURN):
            try:
                data = os.read(handle, READ_BYTES)
            except OSError:  # nothing more, or the host took its interface down
                return
            now_s = time.monotonic()
            self._deliver(network.advance(now_s))
            network.receive(port, parse_frame(data, kind), now_s)
            self._deliver(network.advance(now_s))

    def _deliver(self, arrived: list[tuple[Port, Frame]]) -> None:
        for port, frame in arrived:
            try:
                os.write(self._devices[port.name], frame.data)
            except (OSError, KeyError):  # the host took its interface down, or crashed
                port.down.drop(frame, "blocked")

    def _flap_due(self) -> None:
        now_s = time.monotonic()
        for port, flap in self._flaps.items():
            if flap.due_s <= now_s:
                flap.present = not flap.present
                flap.due_s = now_s + (flap.up_s if flap.present else flap.down_s)
                self.plug(port, present=flap.present)


class _Flap:
    __slots__ = ("down_s", "due_s", "present", "up_s")

    def __init__(self, *, up_s: float, down_s: float) -> None:
        self.up_s = up_s
        self.down_s = down_s
        self.due_s = 0.0
        self.present = True
