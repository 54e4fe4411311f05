"""What a plan document asks for again: its workload and the shape of one of its plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from homecluster.domain.hardware import DType
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.units import UnitError
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.planner.problem import Pins
from homecluster.store.config_fields import shown
from homecluster.store.fields import Fields, list_of, member, text, whole_number
from homecluster.store.files import parse_json, read_text
from homecluster.store.plan_document import SCHEMA

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBefore:
    model: str
    workload: Serve
    pins: Pins
    nodes: tuple[str, ...]
    drafts: int


def read_plan_file(path: Path) -> PlannedBefore:
    """The first plan of the document.

    Raises:
        InputError: it cannot be read, is no plan document, or holds no plan.
    """
    content = read_text(path, "plan document")
    root = Fields(
        parse_json(content, f"plan document {path}"), place="", file=str(path), text=content
    )
    if root.table.get("schema") != SCHEMA:
        raise InputError(
            f"{path} is not a {SCHEMA} document", hint="homecluster plan --json > FILE"
        )
    best = next(root.children("plans"), None)
    if best is None:
        raise InputError(f"{path} holds no plan: nothing fitted")
    if best.table.get("engine") == "deepspeed":
        raise InputError(
            f"{path} is a plan to train, and --plan launches a server",
            hint="homecluster up --train --model M --data FILE --output DIR",
        )
    return PlannedBefore(
        model=_part(root, "model").need("name", text),
        workload=_workload(_part(root, "workload")),
        pins=Pins(
            tensor_parallel=best.need("tensor_parallel", whole_number),
            pipeline_parallel=best.need("pipeline_parallel", whole_number),
            replicas=best.need("replicas", whole_number),
            partition=best.need("partition", list_of(whole_number)),
            # Older documents say nothing of it.
            small_collectives=best.get(
                "small_collectives", member(SmallCollectives), SmallCollectives.ENGINE
            ),
        ),
        nodes=best.need("nodes", list_of(text)),
        drafts=best.get("drafts", _or(whole_number, 0), 0),
    )


def _workload(asked: Fields) -> Serve:
    prompt = asked.need("prompt_tokens", whole_number)
    output = asked.need("output_tokens", whole_number)
    # A document writes the default out.
    is_default = asked.table.get("max_model_len") == prompt + output
    return Serve(
        prompt_tokens=prompt,
        output_tokens=output,
        concurrent_requests=asked.need("concurrent_requests", whole_number),
        request_rate_per_s=asked.need("request_rate_per_s", _or(_within(1e-6, 1e6), None)),
        goal=asked.need("goal", member(Goal)),
        dtype=asked.need("dtype", _or(member(DType), None)),
        max_model_len=None if is_default else asked.need("max_model_len", whole_number),
        memory_utilization=asked.need("memory_utilization", _within(0.05, 1.0)),
    )


def _part(root: Fields, key: str) -> Fields:
    part = root.child(key)
    if part is None:
        raise root.error("", f"{key!r} is missing")
    return part


def _or(parse: Callable[[object], T], nothing: U) -> Callable[[object], T | U]:
    """`parse`, where `nothing` stands for itself."""
    return lambda value: nothing if value == nothing else parse(value)


def _within(least: float, most: float) -> Callable[[object], float]:
    """As the command line bounds it."""

    def parse(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:  # fmt: skip
            raise UnitError(f"{shown(value)} must be a number from {least:g} to {most:g}")
        return float(value)

    return parse
