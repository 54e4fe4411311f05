"""Which published rows can be judged, what the planner says of them, and why the others cannot.

Two kinds of rows. Servers: {"model", "gpu", "tp", "pp", "workload": {"in_tokens", "out_tokens", "qps", "concurrency",
"replicas"}, "req_s", "tok_s" (input and output), "ttft_ms", "tpot_ms"}; where the load is a request rate, the
requests inside are taken from the row itself by Little's law. Home clusters: {"system", "model", "devices", "n_nodes",
"parallelism", "batch", "context", "decode_tok_s"}: a fixed batch, judged by its decode steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from homecluster.domain.estimate import Terms
from homecluster.domain.model import ModelSpec, Quantization
from homecluster.domain.plan import Plan
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.plan import plan
from homecluster.planner.problem import Pins
from homecluster.store.cluster_document import parse_cluster
from homecluster.store.models import find_model

SAME_SHAPE: Final = {
    "deepseek-r1-distill-llama-8b": "llama-3.1-8b",
    "deepseek-r1-distill-llama-70b": "llama-3.1-70b",
    "deepseek-r1-distill-qwen-7b": "qwen2.5-7b",
    "deepseek-r1-distill-qwen-14b": "qwen2.5-14b",
    "deepseek-r1-distill-qwen-32b": "qwen2.5-32b",
    "qwen3-coder-30b-a3b-instruct-awq": "qwen3-30b-a3b",
    "meta-llama-3.3-70b-instruct-awq-int4": "llama-3.3-70b",
    "meta-llama-3.1-8b-instruct-fp8": "llama-3.1-8b",
    "llama-3.1-8b-instruct-fp8": "llama-3.1-8b",
    "qwen2.5-7b-instruct": "qwen2.5-7b",
    "qwen3-8b bf16": "qwen3-8b",
}
"""Fine-tunes and quantised checkpoints that have the shape of a catalogue model."""
FOUNDERS: Final = {"in_tokens": 220, "out_tokens": 237, "concurrency": 256}
"""The load of the founders' tool, which their rows leave out."""
NCCL_TCP_US: Final = (
    (1, 132.66), (2, 133.47), (4, 139.89), (8, 166.25), (16, 195.4), (32, 225.57),
    (64, 371.83), (128, 370.47), (256, 511.81), (512, 913.53), (1024, 1810.21),
)  # fmt: skip
"""KiB and median of an all-reduce between two RTX 3090 over 10 GbE, measured by the rows' author (collective_curve.jsonl)."""
_LIMIT_NOT_LOAD: Final = 8192
_LEAST_STEADY: Final = 0.5
"""Requests that come twice as fast as they are answered come in the first half of the run: that is a burst, not a load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    group: tuple[object, ...]
    label: str
    tokens_per_s: tuple[float, float]
    """Measured, predicted."""
    interval_s: tuple[float, float] | None
    terms: Terms
    """Of the predicted time between tokens."""

    @property
    def off(self) -> float:
        """How many times too fast or too slow, as a logarithm."""
        measured, predicted = self.tokens_per_s
        return abs(math.log(predicted / measured))


def judge(row: dict[str, Any]) -> Compared | str:
    """What a prediction makes of the row, or why it cannot be judged."""
    return home_row(row) if "decode_tok_s" in row else server_row(row)


def server_row(row: dict[str, Any]) -> Compared | str:
    load = row["workload"] or {}
    if row["system"].endswith("benchmark_throughput"):
        load = FOUNDERS
    reason = unusable(row, load)
    if reason:
        return reason
    concurrency = load.get("concurrency") or inside(row, load)
    if not isinstance(concurrency, int | float):
        return "the requests in flight are not known, and do not follow from the row"
    if load.get("qps") and row["req_s"] and row["req_s"] < _LEAST_STEADY * load["qps"]:
        return "a burst: requests came more than twice as fast as they were answered"
    count = row["tp"] * row["pp"] * load.get("replicas", 1)
    server = (
        'schema = "homecluster.cluster/1"\n[nodes.server]\nram = "256 GiB"\n[[nodes.server.devices]]\n'
        f'kind = "cuda"\nname = "{card(row["gpu"])}"\ncount = {count}\n'
    )
    workload = Serve(
        prompt_tokens=round(load["in_tokens"]),
        output_tokens=round(load["out_tokens"]),
        concurrent_requests=max(1, round(concurrency)),
    )
    pins = Pins(
        tensor_parallel=row["tp"],
        pipeline_parallel=row["pp"],
        replicas=load.get("replicas", 1),
    )
    predicted = best(row, server, workload, pins)
    if isinstance(predicted, str):
        return predicted
    estimate, measured_s = predicted.estimate, row["tpot_ms"] and row["tpot_ms"] / 1e3
    shape = f"TP={row['tp']} x{load.get('replicas', 1)} c={concurrency:.0f}"
    return Compared(
        group=(row["model"], row["gpu"], load.get("qps"), load.get("concurrency")),
        label=f"{row['model'].split('/')[-1][:30]} {row['gpu'][-14:]} {shape}",
        tokens_per_s=(row["tok_s"], estimate.total_tokens_per_s.mid),
        interval_s=(measured_s, estimate.token_interval_s.mid) if measured_s else None,
        terms=estimate.terms,
    )


def unusable(row: dict[str, Any], load: dict[str, Any]) -> str | None:
    """Why not even a question can be put to the planner."""
    if not row["gpu"]:
        return "the cards are not named"
    if not row["tok_s"]:
        return "no tokens/s: a ratio, an out-of-memory or a prefill only"
    if " + " in row["gpu"]:
        return "a group of two kinds of cards, which the planner refuses"
    if "MTP" in row["model"] or "MTP" in row["system"]:
        return "drafts several tokens at once (MTP), which is not modelled"
    if load.get("kv_cache_dtype"):
        return "an 8-bit KV cache, which is not modelled"
    numbers = (load.get("in_tokens"), load.get("out_tokens"))
    if not all(isinstance(number, int | float) for number in numbers):
        return "the lengths of prompts or answers are not told"
    return None


def home_row(row: dict[str, Any]) -> Compared | str:
    """A fixed batch on cards: its decode steps alone, around the context in the middle of long answers."""
    names = [device["name"] for device in row["devices"] or []]
    if not str(row["system"]).startswith("vLLM"):
        return "not vLLM: another engine with other messages"
    if len(set(names)) != 1:
        return "a group of two kinds of cards, which the planner refuses"
    if not row["decode_tok_s"] or not row["batch"] or not row["context"]:
        return "batch, context or decode rate are not told"
    if row["batch"] > 1 and row["context"] >= _LIMIT_NOT_LOAD:
        return "the context is the engine's limit, not what each request held"
    if row["n_nodes"] > 1 and "NCCL" not in (row["notes"] or ""):
        return "neither round trip nor message times of the link are told"
    size = len(names)
    workload = Serve(
        prompt_tokens=1, output_tokens=2 * row["context"], concurrent_requests=row["batch"]
    )
    pins = Pins(
        tensor_parallel=size if row["parallelism"] == "tp" else 1,
        pipeline_parallel=size if row["parallelism"] == "pp" else 1,
        replicas=1,
    )
    predicted = best(row, home_of(names, row["n_nodes"]), workload, pins)
    if isinstance(predicted, str):
        return predicted
    told_s = predicted.estimate.token_interval_s.mid
    seen_s = row["batch"] / row["decode_tok_s"]
    return Compared(
        group=(row["model"], names[0], row["batch"], row["context"]),
        label=f"{row['model'][:30]} {names[0][-14:]} {row['parallelism']} x{size} b={row['batch']} {row['context']}",
        tokens_per_s=(row["decode_tok_s"], row["batch"] / told_s),
        interval_s=(seen_s, told_s),
        terms=predicted.estimate.terms,
    )


def home_of(names: Sequence[str], pcs: int) -> str:
    """The PCs as a document: all cards in one, or one in each with the link that the rows were measured over."""
    head = 'schema = "homecluster.cluster/1"\n'
    device = f'kind = "cuda"\nname = "{card(names[0])}"\n'
    if pcs == 1:
        return (
            f'{head}[nodes.a]\nram = "64 GiB"\n[[nodes.a.devices]]\n{device}count = {len(names)}\n'
        )
    nodes = "".join(
        f'[nodes.{name}]\nram = "64 GiB"\n[[nodes.{name}.devices]]\n{device}' for name in "ab"
    )
    curve = ", ".join(f'"{size} KiB" = "{time_us} us"' for size, time_us in NCCL_TCP_US)
    link = (
        '[[links]]\nbetween = ["a", "b"]\nrtt = "120 us"\n'
        'bandwidth = { forward = "3.61 Gbit/s", back = "9.41 Gbit/s" }\n'
        f"all_reduce = {{ {curve} }}\n"
    )
    return head + nodes + link


def card(name: str) -> str:
    """As the catalogue spells it."""
    return name.replace("-", " ").removesuffix(" 24GB")


def inside(row: dict[str, Any], load: dict[str, Any]) -> float | None:
    """Requests in the engine on average: rate x time of a request (Little's law)."""
    if not (row["req_s"] and row["ttft_ms"] and row["tpot_ms"] and load.get("out_tokens")):
        return None
    inside_ms = row["ttft_ms"] + (load["out_tokens"] - 1) * row["tpot_ms"]
    return float(row["req_s"] * inside_ms / 1e3)


def best(row: dict[str, Any], document: str, workload: Serve, pins: Pins) -> Plan | str:
    name = row["model"].split("/")[-1].lower()
    try:
        spec = stored(find_model(SAME_SHAPE.get(name, name)).spec, name)
        home = parse_cluster(document, file="row", as_json=False)
    except InputError as unknown:
        return f"{unknown.message}".replace("|", "/")
    plans = plan(home, spec, workload, pins).plans
    return plans[0] if plans else "the planner refuses it"


def stored(spec: ModelSpec, name: str) -> ModelSpec:
    """The model as the named checkpoint stores it."""
    if "awq" in name:
        return replace(spec, quantization=Quantization(method="awq", weight_bits=4, group_size=128))
    if "fp8" in name:
        return replace(
            spec, quantization=Quantization(method="fp8", weight_bits=8, group_size=None)
        )
    return spec
