"""`homecluster plan --train`: the part of `plan` that is about training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homecluster import wiring
from homecluster.app.plan import only
from homecluster.app.plan_training import make_train_plans, parameter_count_of, suppose_training
from homecluster.cli import render_train
from homecluster.cli.output import print_document
from homecluster.cli.train_options import train_from
from homecluster.cli.workload_options import node_names
from homecluster.errors import InputError
from homecluster.planner.training.model_states import zero_memory
from homecluster.store.plan_document import verdict_table
from homecluster.store.train_document import train_document, train_plan_table, zero_document

NOTHING_FITS = 1


def plan_train(
    model: str | None,
    cluster: Path | None,
    flags: dict[str, Any],
    *,
    quantization: str | None,
    what_if: tuple[str, ...],
    show_all: bool,
    as_json: bool,
) -> int:
    """Plan, print, and return the exit code."""
    workload = train_from(flags)
    if flags["parameters"] is not None:
        return _zero_memory(model, flags, as_json=as_json)
    if model is None:
        raise InputError(
            "name a model: --model gpt2", hint="or a size: --parameters 7.5B --devices 64"
        )
    spec = wiring.model(model, quantization).spec
    home = wiring.cluster(cluster)
    plans = make_train_plans(home, spec, workload, node_names(flags))
    supposed = suppose_training(only(home, node_names(flags)), spec, workload, what_if)
    if as_json:
        document = train_document(plans)
        document["what_if"] = [
            {
                "name": one.name,
                "verdict": verdict_table(one.plans.verdict),
                "best_plan": train_plan_table(one.plans.plans[0]) if one.plans.plans else None,
            }
            for one in supposed
        ]
        print_document(document)
    else:
        render_train.show_training(plans, supposed, show_all=show_all)
    return 0 if plans.plans else NOTHING_FITS


def _zero_memory(model: str | None, flags: dict[str, Any], *, as_json: bool) -> int:
    if model is not None or flags["devices"] is None:
        raise InputError("--parameters goes with --devices and without --model")
    parameters, devices = parameter_count_of(flags["parameters"]), flags["devices"]
    rows = zero_memory(parameters, devices)
    if as_json:
        print_document(zero_document(parameters, devices, rows))
    else:
        render_train.show_zero_memory(parameters, devices, rows)
    return 0
