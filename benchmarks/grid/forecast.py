"""What the planner says of a cell: from a probed PC, probed links, and runs on one PC."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from statistics import fmean
from typing import Any, Final

from benchmarks.grid import facts
from benchmarks.grid.cells import STARTS, Start, dtype_of, spec_of
from benchmarks.grid.facts import Row
from benchmarks.grid.world import CONTEXT_TOKENS
from homecluster.app.links import believed_links
from homecluster.domain.calibration import Run
from homecluster.domain.estimate import Estimate
from homecluster.domain.hardware import DTYPE_BYTES, Device, DeviceKind, Node
from homecluster.domain.ids import DeviceId, NodeId
from homecluster.domain.layout import Layout, Stage
from homecluster.domain.topology import Cluster, Link
from homecluster.domain.workload import Serve
from homecluster.engines.vllm_gang_bytes import Spread, Traffic, planned_bytes
from homecluster.planner.calibration import Origin, corrected, fit
from homecluster.planner.estimate import Estimator
from homecluster.planner.rules import Refusal
from homecluster.store.cluster_document import parse_cluster
from netprobe.report import parse_report

_BY_NAME: Final = {start.name: start for start in STARTS}
GREEDY_BYTES_PER_LOGIT: Final = 10
"""Read in bf16, written in fp32, read again for its maximum."""
_PAIR: Final = (NodeId("a"), NodeId("b"))
_SHORT_RUNS: Final = ((1, 16), (8, 32), (2, 64))
"""(in flight, prompt tokens): alone, many together, longer prompts, as `bench --calibrate` takes them."""


class Learned(StrEnum):
    """What the PC's figures were calibrated to before anything is predicted."""

    OWN = "three short runs of the model itself on one PC"
    OTHERS = "runs of the other models on one PC, none of this one"
    NOTHING = "nothing: as probed"


def is_lesson(row: Row) -> bool:
    """Whether `Learned.OWN` calibrates to it; no such row is judged."""
    load = (row["requests"], row["prompt_tokens"])
    return start_of(row).layout == "single" and load in _SHORT_RUNS


def start_of(row: Row) -> Start:
    return _BY_NAME[row["start"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """All that was measured before anything is predicted, and the rows of single PCs."""

    node: Node
    links: Mapping[str, tuple[Link, ...]]
    """Between PCs a and b, by the link's name."""
    singles: tuple[Row, ...]


def known() -> Known:
    document = json.dumps(facts.known(facts.DEVICES)["1 CPU"])
    (probed,) = parse_cluster(document, file=facts.DEVICES, as_json=True).nodes
    node = replace(probed, devices=tuple(map(_greedy, probed.devices)))
    links = {
        name: believed_links(parse_report({"samples": {}, **report}), *_PAIR, DeviceKind.CPU)
        for name, report in facts.known(facts.LINKS).items()
    }
    rows = [row for row in facts.rows() if row["rounds"]]
    singles = tuple(row for row in rows if start_of(row).layout == "single")
    return Known(node=node, links=links, singles=singles)


def _greedy(device: Device) -> Device:
    """The grid's clients take the likeliest token; the probe measures drawing one at temperature 1."""
    taken_s = GREEDY_BYTES_PER_LOGIT / device.memory_bandwidth_bytes_per_s
    return replace(device, sampling_s_per_logit=taken_s)


class Forecaster:
    """Predictions of rows; no run over several PCs is ever learned from."""

    def __init__(self, before: Known, learned: Learned) -> None:
        self._before = before
        self._learned = learned
        self._devices: dict[tuple[str, ...], Device] = {}

    def forecast(self, row: Row) -> Estimate | Refusal:
        start = start_of(row)
        layout = layout_of(start)
        cluster = self._cluster(start, row)
        workload = workload_of(row)
        return Estimator(cluster, spec_of(start.model), workload).estimate(layout)

    def device(self, model: str, measured_at: str) -> Device:
        """The PC's only device as calibration leaves it for this model about that time.

        A shared machine is up to a quarter faster in one hour than in another, and `bench` refits the PC from
        every run: of runs that were made several times, those nearest in time are learned from.
        """
        lessons = [row for row in self._before.singles if self._learns_from(row, model)]
        runs = nearest(lessons, measured_at)
        key = (model, *(row["measured_at"] for row in runs))
        if key not in self._devices:
            self._devices[key] = self._calibrate(runs)
        return self._devices[key]

    def _calibrate(self, lessons: Sequence[Row]) -> Device:
        (device,) = self._before.node.devices
        if not lessons:
            return device
        node = _named(device, "a", self._before.node)
        runs = [run_of(row) for row in lessons]
        found = fit(node, DeviceKind.CPU, runs, Origin(fitted_at="", engine=""))
        return corrected(device, found)

    def _learns_from(self, row: Row, model: str) -> bool:
        is_own = start_of(row).model == model
        match self._learned:
            case Learned.OWN:
                return is_own and is_lesson(row)
            case Learned.OTHERS:
                return not is_own
            case Learned.NOTHING:
                return False

    def _cluster(self, start: Start, row: Row) -> Cluster:
        device, link = self.device(start.model, row["measured_at"]), row["link"]
        nodes = tuple(_named(device, name, self._before.node) for name in start.hosts)
        links = tuple(
            replace(one, src=NodeId(src), dst=NodeId(dst), medium=one.medium and "air")
            for src in start.hosts
            for dst in start.hosts
            if src != dst
            for one in _ways(self._before.links[link], src, dst)
        )
        return Cluster(nodes=nodes, links=links)


def nearest(rows: Iterable[Row], measured_at: str) -> list[Row]:
    """Of each cell the run nearest in time."""
    wanted = datetime.fromisoformat(measured_at)
    found: dict[tuple[Any, ...], Row] = {}
    for row in sorted(
        rows, key=lambda row: abs(datetime.fromisoformat(row["measured_at"]) - wanted)
    ):
        found.setdefault(facts.cell_of(row), row)
    return list(found.values())


def _ways(links: Iterable[Link], src: str, dst: str) -> tuple[Link, ...]:
    """The measured way that goes in the same direction: away from the first PC, or towards it."""
    return tuple(one for one in links if (one.src < one.dst) == (src < dst))


def _named(device: Device, name: str, node: Node) -> Node:
    own = replace(device, id=DeviceId(f"{name}/cpu:0"), node_id=NodeId(name))
    return replace(node, id=NodeId(name), hostname=name, devices=(own,))


def layout_of(start: Start) -> Layout:
    """One rank on each PC, stage after stage."""
    stages, begin = [], 0
    width = start.tensor_parallel
    for index, layers in enumerate(start.partition):
        hosts = start.hosts[index * width : (index + 1) * width]
        devices = tuple(DeviceId(f"{host}/cpu:0") for host in hosts)
        stages.append(Stage(layer_start=begin, layer_stop=begin + layers, devices=devices))
        begin += layers
    return Layout(
        engine="vllm", replicas=(tuple(stages),), small_collectives=start.small_collectives
    )


def workload_of(row: Row) -> Serve:
    return Serve(
        prompt_tokens=row["prompt_tokens"],
        output_tokens=row["output_tokens"],
        concurrent_requests=row["requests"],
        dtype=dtype_of(start_of(row).model),
        max_model_len=CONTEXT_TOKENS,
    )


def run_of(row: Row) -> Run:
    """A single PC's row as calibration learns from it."""
    start = start_of(row)
    return Run(
        spec=spec_of(start.model),
        workload=workload_of(row),
        layout=layout_of(start),
        first_token_s=mean(row, "first_token_s"),
        token_interval_s=mean(row, "token_interval_s"),
    )


def mean(row: Row, name: str) -> float:
    return fmean(one[name] for one in row["rounds"])


def tokens_per_s(row: Row) -> float:
    return float(row["requests"] * row["output_tokens"] / mean(row, "round_s"))


def forecast_bytes(row: Row) -> int:
    """Of one round over all links, both ways, headers included."""
    start = start_of(row)
    spread = Spread(
        tensor_parallel=start.tensor_parallel,
        stages=len(start.partition),
        small_collectives=start.small_collectives,
    )
    tokens: dict[str, Any] = {
        "input_tokens": row["requests"] * row["prompt_tokens"],
        "output_tokens": row["requests"] * row["output_tokens"],
    }
    size = DTYPE_BYTES[dtype_of(start.model)]
    round_ = Traffic(**tokens, requests=row["requests"], dtype_bytes=size)
    return planned_bytes(spec_of(start.model), spread, round_)
