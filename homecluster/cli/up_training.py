"""`homecluster up --train`: the part of `up` that is about training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from homecluster import wiring
from homecluster.app import train as use_case
from homecluster.app.plan_training import make_train_plans
from homecluster.cli import render_train
from homecluster.cli.output import print_document
from homecluster.cli.train_options import train_from
from homecluster.domain.hardware import Node
from homecluster.domain.topology import Cluster
from homecluster.domain.training import TrainPlanSet
from homecluster.errors import InputError
from homecluster.store.train_document import train_document

Command = TypeVar("Command", bound=Callable[..., Any])

_PATH = click.Path(path_type=Path)
_RUN = (
    click.option("--data", type=_PATH, metavar="FILE", help="With --train: samples, one JSON object per line."),
    click.option("--output", type=_PATH, metavar="DIR", help="With --train: where checkpoints and the trained model go."),
    click.option("--resume", is_flag=True, help="With --train: go on from the newest checkpoint of --output."),
    click.option("--steps", type=click.IntRange(1, 10_000_000), help="With --train: optimiser steps.  [default: one epoch]"),
    click.option("--save-every", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="With --train: steps between checkpoints."),
)  # fmt: skip


def run_options(command: Command) -> Command:
    """Add the flags of a training run; `up_train` reads them."""
    for option in reversed(_RUN):
        command = option(command)
    return command


def up_train(
    model: str | None,
    flags: dict[str, Any],
    *,
    quantization: str | None,
    random_weights: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Plan for this PC, train, print what came out, and return the exit code."""
    if model is None or flags["data"] is None or flags["output"] is None:
        raise InputError(
            "--train needs --model, --data and --output",
            hint="homecluster up --train --model gpt2 --random-weights --data rows.jsonl --output tuned",
        )
    here = wiring.here()
    found = wiring.model(model, quantization)
    plans = make_train_plans(Cluster(nodes=(here.node,)), found.spec, train_from(flags))
    asked = use_case.Training(
        found=found,
        random_weights=random_weights,
        data=flags["data"].absolute(),
        output=flags["output"].absolute(),
        resume=flags["resume"],
        steps=flags["steps"],
        save_every=flags["save_every"],
    )
    if dry_run:
        return _dry_run(here.node, plans, asked, as_json=as_json)
    document = use_case.train(
        here.paths, here.node, plans, asked, lambda line: click.echo(f"  {line}", err=True)
    )
    if as_json:
        print_document(document)
    else:
        render_train.show_trained(document)
    return 0


def _dry_run(node: Node, plans: TrainPlanSet, asked: use_case.Training, *, as_json: bool) -> int:
    plan = use_case.choose(plans)
    argv = list(use_case.argv_of("python", Path("MODEL"), asked))
    if not as_json:
        render_train.show_training(plans)
        click.echo(" ".join(argv))
        return 0
    document = train_document(plans)
    for table in document["plans"]:
        if table["rank"] == plan.rank:
            table["commands"] = [
                {
                    "node": node.id,
                    "argv": argv,
                    "settings": use_case.settings_of(plans, plan, node, asked),
                }
            ]
    print_document(document)
    return 0
