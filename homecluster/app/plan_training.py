"""The use case `plan --train`: which PCs train a model, how fast, and whether several pay."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from homecluster.app.plan import only
from homecluster.app.what_if import changed
from homecluster.domain.model import ModelSpec
from homecluster.domain.topology import Cluster
from homecluster.domain.training import Train, TrainPlanSet
from homecluster.errors import InputError
from homecluster.planner.training.plan import plan_training

_COUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([KMBT]?)", re.IGNORECASE)
_FACTORS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
MOST_PARAMETERS = 1e15


@dataclass(frozen=True, slots=True, kw_only=True)
class SupposedTraining:
    """One supposition and how one would then train."""

    name: str
    plans: TrainPlanSet


def make_train_plans(
    cluster: Cluster, spec: ModelSpec, workload: Train, nodes: Sequence[str] = ()
) -> TrainPlanSet:
    """Ways to train `spec` on `cluster`, or on those of its PCs that `nodes` names.

    Raises:
        InputError: a name that is no PC.
    """
    return plan_training(only(cluster, nodes), spec, workload)


def suppose_training(
    cluster: Cluster, spec: ModelSpec, workload: Train, suppositions: Sequence[str]
) -> tuple[SupposedTraining, ...]:
    """Plans under each supposition, as `app.what_if.suppose`."""
    return tuple(
        SupposedTraining(name=text, plans=plan_training(changed(cluster, text), spec, workload))
        for text in suppositions
    )


def parameter_count_of(text: str) -> float:
    """The number of `7.5B`, `124M` or `6738415616`.

    Raises:
        InputError: it is none, or no model has so many.
    """
    match = _COUNT.fullmatch(text.strip()[:80])
    count = float(match[1]) * _FACTORS[match[2].upper()] if match else 0.0
    if not 1 <= count <= MOST_PARAMETERS:
        raise InputError(
            f"--parameters {text[:80]!r} is not a number of parameters", hint="write 7.5B or 124M"
        )
    return count
