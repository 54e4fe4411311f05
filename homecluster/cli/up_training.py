"""`homecluster up --train`: the part of `up` that is about training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from homecluster import wiring
from homecluster.app import launching
from homecluster.app import train as use_case
from homecluster.app.copies_places import Home
from homecluster.app.plan_training import make_train_plans
from homecluster.app.train_command import Folders, train_argv
from homecluster.app.train_order import order_table, settings_of
from homecluster.app.train_ready import Run, make_ready
from homecluster.app.train_run import SETTINGS
from homecluster.cli import render_train
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.cli.train_options import train_from
from homecluster.cli.workload_options import node_names
from homecluster.domain.ids import NodeId
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
    click.option("--held-out", type=click.FloatRange(0, 0.9), default=0.0, show_default=True, help="With --train: share of the rows that are not learned from, and judge the result."),
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
    """Plan for this PC and its cluster, train, print what came out, and return the exit code."""
    if model is None or flags["data"] is None or flags["output"] is None:
        raise InputError(
            "--train needs --model, --data and --output",
            hint="homecluster up --train --model gpt2 --random-weights --data rows.jsonl --output tuned",
        )
    home = launching.home_of(wiring.here(), wiring.members(), aside)
    found = wiring.model(model, quantization)
    workload = train_from(flags)
    nodes = tuple(NodeId(name) for name in node_names(flags))

    def plans_of(cluster: Cluster, among: tuple[NodeId, ...]) -> TrainPlanSet:
        return make_train_plans(cluster, found.spec, workload, among)

    asked = use_case.Training(
        run=Run(
            found=found,
            random_weights=random_weights,
            steps=flags["steps"],
            save_every=flags["save_every"],
            held_out=flags["held_out"],
        ),
        data=flags["data"].absolute(),
        output=flags["output"].absolute(),
        resume=flags["resume"],
        nodes=nodes,
        trust_network=flags["trust_network"],
    )
    if dry_run:
        return _dry_run(home, plans_of(home.cluster, nodes), asked, as_json=as_json)
    document = use_case.train(home, plans_of, asked, progress)
    if as_json:
        print_document(document)
    else:
        render_train.show_trained(document)
    return 0


def _dry_run(home: Home, plans: TrainPlanSet, asked: use_case.Training, *, as_json: bool) -> int:
    plan = use_case.choose(plans, home.here.node.id, asked.nodes)
    ready = make_ready(home, plans, plan, asked.run)
    folders = Folders(
        model=Path("MODEL"),
        data=asked.data,
        output=asked.output,
        settings=asked.output / SETTINGS,
    )
    argv = list(train_argv("python", ready.order, folders, resume=asked.resume))
    if not as_json:
        render_train.show_training(plans)
        click.echo(" ".join(argv))
        return 0
    document = train_document(plans)
    orders = [(home.here.node.id, ready.order), *((m.node, m.order) for m in ready.mates)]
    for table in document["plans"]:
        if table["rank"] == plan.rank:
            table["commands"] = [
                {"node": node, "argv": argv, "settings": settings_of(order), "order": order_table(order)}
                for node, order in orders
            ]  # fmt: skip
    print_document(document)
    return 0
