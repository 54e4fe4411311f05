"""What a plan document asks for again: its workload and the shape of one of its plans."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from homecluster.domain.hardware import DType
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.workload import Goal, Serve
from homecluster.errors import InputError
from homecluster.planner.problem import Pins
from homecluster.store.files import read_json
from homecluster.store.plan_document import SCHEMA


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
    document = read_json(path, "plan document")
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(
            f"{path} is not a {SCHEMA} document", hint="homecluster plan --json > FILE"
        )
    if not document.get("plans"):
        raise InputError(f"{path} holds no plan: nothing fitted")
    if document["plans"][0].get("engine") == "deepspeed":
        raise InputError(
            f"{path} is a plan to train, and --plan launches a server",
            hint="homecluster up --train --model M --data FILE --output DIR",
        )
    try:
        best, asked = document["plans"][0], dict(document["workload"])
        asked |= {"goal": Goal(asked["goal"])}
        asked |= {"dtype": DType(asked["dtype"]) if asked["dtype"] else None}
        if asked["max_model_len"] == asked["prompt_tokens"] + asked["output_tokens"]:
            asked["max_model_len"] = None  # the document writes out the default
        return PlannedBefore(
            model=str(document["model"]["name"]),
            workload=Serve(**asked),
            pins=Pins(
                tensor_parallel=int(best["tensor_parallel"]),
                pipeline_parallel=int(best["pipeline_parallel"]),
                replicas=int(best["replicas"]),
                partition=tuple(map(int, best["partition"])),
                # Older documents say nothing of it.
                small_collectives=SmallCollectives(best.get("small_collectives", "engine")),
            ),
            nodes=tuple(map(str, best["nodes"])),
            drafts=int(best.get("drafts", 0)),
        )
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        raise InputError(f"{path} is damaged: {error!r}") from error
