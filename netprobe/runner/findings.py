"""What a probe has found so far; turned into the frozen Report at its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean

from netprobe.probes.echo import Echoes
from netprobe.probes.trouble import ProbeError
from netprobe.runner.latency import Warm, loaded, summary
from netprobe.runner.throughput import OneWay
from netprobe.stats import bufferbloat_grade, quantile
from netprobe.types import (
    CurvePoint,
    Failure,
    Interface,
    LoadedRoundTrip,
    Plan,
    Report,
    RoundTrip,
    Throughput,
)


@dataclass(slots=True, kw_only=True)
class Findings:
    """Filled in by the run, step by step; the one mutable value of the package."""

    plan: Plan
    dst: str
    started_at: str
    tool: str = "builtin"
    src_address: str | None = None
    dst_address: str | None = None
    interface: Interface | None = None
    far_interface: Interface | None = None
    echoes: Echoes | None = None
    warm: Warm | None = None
    mtu_bytes: int | None = None
    ways: dict[str, OneWay] = field(default_factory=dict)
    loaded_s: dict[str, tuple[float, ...]] = field(default_factory=dict)
    exchange: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    all_reduce: Mapping[str, Mapping[int, tuple[float, ...]]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def fail(self, probe: str, error: ProbeError) -> None:
        self.failures.append(error.failure(probe))

    def report(self, *, src: str, duration_s: float) -> Report:
        return Report(
            src=src,
            dst=self.dst,
            src_address=self.src_address,
            dst_address=self.dst_address,
            plan=self.plan.name,
            started_at=self.started_at,
            duration_s=duration_s,
            interface=self.interface,
            far_interface=self.far_interface,
            round_trip=self._round_trip(),
            idle_first_packet_s=self._idle(),
            throughput=self._throughput(),
            loaded_round_trip=self._loaded(),
            exchange=_points(self.exchange),
            all_reduce={name: _points(curve) for name, curve in self.all_reduce.items()},
            mtu_bytes=self.mtu_bytes,
            failures=tuple(self.failures),
            samples=self._samples(),
        )

    def _round_trip(self) -> RoundTrip | None:
        if self.echoes:
            return summary(self.echoes.round_trips_s, sent=self.echoes.sent, via="udp")
        if self.warm:
            sent = len(self.warm.round_trips_s)
            return summary(self.warm.round_trips_s, sent=sent, via="tcp")
        return None

    def _idle(self) -> float | None:
        if self.warm is None or not self.warm.first_packets_s:
            return None
        return quantile(self.warm.first_packets_s, 0.5)

    def _throughput(self) -> Throughput | None:
        forward, back = self.ways.get("forward"), self.ways.get("back")
        one = forward or back
        if one is None:
            return None
        return Throughput(
            forward_bytes_per_s=forward.bytes_per_s if forward else None,
            back_bytes_per_s=back.bytes_per_s if back else None,
            tool=self.tool,
            congestion_control=one.congestion_control,
            forward_retransmits=forward.retransmits if forward else None,
            back_retransmits=back.retransmits if back else None,
            steady=all(way.steady for way in self.ways.values()),
        )

    def _loaded(self) -> LoadedRoundTrip | None:
        ways = {name: loaded(times) for name, times in self.loaded_s.items()}
        idle = self._round_trip()
        seen = [way.p50_s for way in ways.values() if way]
        if idle is None or not seen:
            return None
        return LoadedRoundTrip(
            forward=ways.get("forward"),
            back=ways.get("back"),
            grade=bufferbloat_grade(max(seen) - idle.p50_s),
        )

    def _samples(self) -> dict[str, tuple[float, ...]]:
        samples: dict[str, tuple[float, ...]] = {}
        if self.echoes:
            samples["round_trip_udp_s"] = self.echoes.round_trips_s
        if self.warm:
            samples["round_trip_tcp_s"] = self.warm.round_trips_s
            samples["idle_first_packet_s"] = self.warm.first_packets_s
        for name, way in self.ways.items():
            samples[f"throughput_{name}_bytes_per_s"] = way.rates_bytes_per_s
            samples[f"throughput_{name}_sample_s"] = (way.sample_s,)
        for name, times in self.loaded_s.items():
            samples[f"loaded_round_trip_{name}_s"] = times
        for size, times in self.exchange.items():
            samples[f"exchange_{size}_bytes_s"] = times
        for name, curve in self.all_reduce.items():
            for size, times in curve.items():
                samples[f"all_reduce_{name}_{size}_bytes_s"] = times
        return samples


def _points(curve: Mapping[int, tuple[float, ...]]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(size_bytes=size, p50_s=quantile(times, 0.5), mean_s=fmean(times))
        for size, times in sorted(curve.items())
        if times
    )
