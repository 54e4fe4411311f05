"""Predictions without any calibration beside published runs of vLLM on known cards: how far off, and in the right order?

    python -m benchmarks.published_rows ROWS.jsonl

A row: {"model", "gpu", "tp", "pp", "workload": {"in_tokens", "out_tokens", "concurrency", "replicas"}, "req_s", "tok_s" (input and
output), "ttft_ms", "tpot_ms"}. Where the load is a request rate, the requests inside are taken from the row
itself by Little's law. Nothing is fitted.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from homecluster.domain.plan import Plan
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.candidates import Pins
from homecluster.planner.plan import plan
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.models import find_model

SAME_SHAPE = {
    "deepseek-r1-distill-llama-8b": "llama-3.1-8b",
    "deepseek-r1-distill-llama-70b": "llama-3.1-70b",
    "deepseek-r1-distill-qwen-7b": "qwen2.5-7b",
    "deepseek-r1-distill-qwen-14b": "qwen2.5-14b",
    "deepseek-r1-distill-qwen-32b": "qwen2.5-32b",
}
"""Fine-tunes that have the shape of a catalogue model."""
FOUNDERS = {"in_tokens": 220, "out_tokens": 237, "concurrency": 256}
"""The load of the founders' tool, which their rows leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    group: tuple[object, ...]
    label: str
    tokens_per_s: tuple[float, float]
    """Measured, predicted: input and output."""
    interval_s: tuple[float, float] | None


def main() -> None:
    rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines() if line]
    compared = [one for row in rows if (one := compare(row)) is not None]
    for one in compared:
        measured, predicted = one.tokens_per_s
        text = f"{one.label:64} tok/s {measured:8.0f} {predicted:8.0f} {predicted / measured:5.2f}x"
        if one.interval_s:
            text += f"   interval {one.interval_s[0] * 1e3:6.1f} {one.interval_s[1] * 1e3:6.1f} ms {one.interval_s[1] / one.interval_s[0]:5.2f}x"
        print(text)
    print(f"\n{len(compared)} of {len(rows)} rows have a known card, model, load and result")
    print(f"median error of tokens/s {error([one.tokens_per_s for one in compared]):.0%}, of the interval "
          f"{error([one.interval_s for one in compared if one.interval_s]):.0%}")  # fmt: skip
    right, pairs = orderings(compared)
    print(f"{right} of {pairs} pairs of layouts under one load are in the measured order")


def compare(row: dict[str, Any]) -> Compared | None:
    """None where the row leaves out what a prediction needs, or the planner knows no such card or model."""
    if not row["tok_s"] or not row["gpu"] or " + " in row["gpu"]:
        return None
    load = row["workload"] or {}
    if row["system"].endswith("benchmark_throughput"):
        load = FOUNDERS
    concurrency = load.get("concurrency") or inside(row, load)
    if not isinstance(load.get("in_tokens"), int | float) or not isinstance(
        concurrency, int | float
    ):
        return None
    predicted = best(row, load, max(1, round(concurrency)))
    if predicted is None:
        return None
    estimate, measured_s = predicted.estimate, row["tpot_ms"] and row["tpot_ms"] / 1e3
    shape = f"TP={row['tp']} x{load.get('replicas', 1)} c={concurrency:.0f}"
    return Compared(
        group=(row["model"], row["gpu"], load.get("qps"), load.get("concurrency")),
        label=f"{row['model'].split('/')[-1][:30]} {row['gpu'][-14:]} {shape}",
        tokens_per_s=(row["tok_s"], estimate.total_tokens_per_s.mid),
        interval_s=(measured_s, estimate.token_interval_s.mid) if measured_s else None,
    )


def inside(row: dict[str, Any], load: dict[str, Any]) -> float | None:
    """Requests in the engine on average: rate x time of a request (Little's law)."""
    if not (row["req_s"] and row["ttft_ms"] and row["tpot_ms"] and load.get("out_tokens")):
        return None
    return row["req_s"] * (row["ttft_ms"] + (load["out_tokens"] - 1) * row["tpot_ms"]) / 1e3


def best(row: dict[str, Any], load: dict[str, Any], concurrency: int) -> Plan | None:
    name = row["model"].split("/")[-1].lower()
    replicas = load.get("replicas", 1)
    try:
        spec = find_model(SAME_SHAPE.get(name, name)).spec
        server = parse_cluster(
            'schema = "homecluster.cluster/1"\n[nodes.server]\nram = "256 GiB"\n[[nodes.server.devices]]\n'
            f'kind = "cuda"\nname = "{row["gpu"].replace("-", " ")}"\ncount = {row["tp"] * row["pp"] * replicas}\n',
            file="row",
            as_json=False,
        )
    except InputError as unknown:
        print(f"skipped {row['model']} on {row['gpu']}: {unknown.message}", file=sys.stderr)
        return None
    workload = Serve(
        prompt_tokens=round(load["in_tokens"]),
        output_tokens=round(load["out_tokens"]),
        concurrent_requests=concurrency,
    )
    pins = Pins(tensor_parallel=row["tp"], pipeline_parallel=row["pp"], replicas=replicas)
    plans = plan(server, spec, workload, pins).plans
    return plans[0] if plans else None


def error(pairs: list[tuple[float, float]]) -> float:
    """Median of |predicted / measured - 1|."""
    return median(abs(predicted / measured - 1) for measured, predicted in pairs)


def orderings(compared: list[Compared]) -> tuple[int, int]:
    """(right, all) pairs of the same model, card and load whose measured rates differ by more than 5 %."""
    groups: defaultdict[tuple[object, ...], list[tuple[float, float]]] = defaultdict(list)
    for one in compared:
        groups[one.group].append(one.tokens_per_s)
    pairs = [
        (a, b)
        for members in groups.values()
        for i, a in enumerate(members)
        for b in members[:i]
        if abs(a[0] / b[0] - 1) > 0.05  # noqa: PLR2004 - closer than runs repeat
    ]
    return sum((a[0] > b[0]) == (a[1] > b[1]) for a, b in pairs), len(pairs)


if __name__ == "__main__":
    main()
