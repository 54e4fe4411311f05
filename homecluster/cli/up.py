"""`homecluster up`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from homecluster import wiring
from homecluster.app import job_end, jobs, launching
from homecluster.app import up as use_case
from homecluster.app.copies_places import Home
from homecluster.app.dry_run import DryRun
from homecluster.app.plan import make_plans
from homecluster.app.speculation import with_drafts
from homecluster.cli import render_jobs, render_start
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.cli.train_options import train_options
from homecluster.cli.up_training import run_options, up_train
from homecluster.cli.workload_options import (
    node_names,
    pin_options,
    pins_from,
    serve_from,
    workload_options,
)
from homecluster.domain.job import Failed, Running, is_over
from homecluster.domain.plan import Backend, PlanSet
from homecluster.errors import InputError, LaunchError
from homecluster.planner.speculation import DRAFTS
from homecluster.store.gang_store import is_gang
from homecluster.store.job_document import UP_SCHEMA, command_table
from homecluster.store.models import FoundModel
from homecluster.store.plan_document import plan_document
from homecluster.store.plan_file import read_plan_file

_PATH = click.Path(path_type=Path)


@click.command()
@click.option("--model", metavar="M", help="A catalogue name, a model folder, or a hub id.")
@click.option(
    "--plan",
    "plan_file",
    type=_PATH,
    metavar="FILE",
    help="Launch the first plan of this document.",
)
@workload_options
@pin_options
@train_options
@run_options
@click.option("--quantization", metavar="METHOD", help="Only a checkpoint quantised this way.")
@click.option(
    "--random-weights",
    is_flag=True,
    help="Serve random weights of the real shape: real speed, no sense.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; beyond loopback needs a key.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0 takes the next free one.",
)
@click.option(
    "--api-key-file",
    type=_PATH,
    metavar="FILE",
    help="File (mode 600) with the key that clients must send.",
)
@click.option(
    "--backend",
    type=click.Choice([Backend.MP.value, Backend.RAY.value]),
    help="Who joins the PCs of one copy.  [default: by rule, and said why]",
)
@click.option("--speculate", type=click.Choice(["ngram"]), help="Draft tokens and check several in one step, in one copy; plan --speculate says where it pays.")  # fmt: skip
@click.option(
    "--fewer-copies",
    is_flag=True,
    help="Go on when some copies fail to start, as long as one comes up.",
)
@click.option(
    "--trust-network",
    is_flag=True,
    help="Everybody in the network may reach the ports of one copy over several PCs; said once.",
)
@click.option("--detach", is_flag=True, help="Return once it runs; `homecluster down` ends it.")
@click.option(
    "--dry-run", is_flag=True, help="Print every command with its environment, start nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def up(
    *,
    model: str | None,
    train: bool,
    plan_file: Path | None,
    quantization: str | None,
    random_weights: bool,
    host: str,
    port: int,
    api_key_file: Path | None,
    backend: str | None,
    fewer_copies: bool,
    trust_network: bool,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    """Plan for this PC or its cluster, launch the best plan under vLLM, and print where it answers.

    \b
    homecluster up --model gpt2 --random-weights
    homecluster up --model ./my-model --concurrency 8 --detach
    homecluster up --model gpt2 --replicas 2 --nodes desk,laptop
    homecluster up --train --model ./my-model --data rows.jsonl --output tuned
    """  # noqa: D301 - click looks for the backspace itself
    if train:
        return up_train(
            model, flags | {"trust_network": trust_network}, quantization=quantization,
            random_weights=random_weights, dry_run=dry_run, as_json=as_json,
        )  # fmt: skip
    home = launching.home_of(wiring.here(), wiring.members(), aside)
    found, plans = _plans(home, model, plan_file, quantization, flags)
    wanted = use_case.Wanted(
        found=found,
        random_weights=random_weights,
        host=host,
        port=port,
        api_key_file=api_key_file,
        tied=not detach,
    )
    options = launching.Options(
        backend=Backend(backend) if backend else None,
        fewer=fewer_copies,
        trust_network=trust_network,
    )
    if dry_run:
        return _dry_run(home, plans, launching.dry_run(home, plans, wanted, options), as_json)
    launcher = launching.make_ready(home, plans, wanted, options)
    _warn(home, plans, launcher)
    started = launcher.launch(progress)
    return _wait(started, detach=detach, as_json=as_json)


def _plans(
    home: Home,
    model: str | None,
    plan_file: Path | None,
    quantization: str | None,
    flags: dict[str, Any],
) -> tuple[FoundModel, PlanSet]:
    cluster = home.cluster
    if plan_file is not None:
        before = read_plan_file(plan_file)
        found = wiring.model(model or before.model, quantization)
        plans = make_plans(cluster, found.spec, before.workload, before.pins, before.nodes)
        return found, with_drafts(plans, before.drafts)
    if model is None:
        raise InputError("name a model: --model gpt2", hint="or a plan: --plan FILE")
    found = wiring.model(model, quantization)
    workload, pins = serve_from(flags), pins_from(flags)
    plans = make_plans(cluster, found.spec, workload, pins, node_names(flags))
    return found, with_drafts(plans, DRAFTS if flags["speculate"] else 0)


def _dry_run(home: Home, plans: PlanSet, found: DryRun, as_json: bool) -> int:
    for words in found.missing:
        aside(f"missing: {words}")
    if not as_json:
        render_jobs.show_commands(found.spec)
        return 0
    chosen = launching.choose(home, plans)
    document = plan_document(plans)
    for table in document["plans"]:
        if table["rank"] == chosen.rank:
            table["commands"] = [command_table(command) for command in found.spec.commands]
            table["missing"] = list(found.missing)
    print_document(document)
    return 0


def _warn(home: Home, plans: PlanSet, launcher: launching.Launcher) -> None:
    for other in use_case.others_running(home.here.paths):
        aside(f"note: {other.folder.job_id} is running too and takes memory and cores")
    for name in launching.unmeasured(home, launching.choose(home, plans)):
        aside(f"note: {name} was not measured, so the prediction is rough: homecluster probe")
    for note in launcher.notes():
        aside(f"note: {note}")


def _wait(started: use_case.Up, *, detach: bool, as_json: bool) -> int:
    try:
        view = _until_ready(started)
        if as_json:
            print_document({"schema": UP_SCHEMA, **jobs.document(view)})
        else:
            render_jobs.show_ready(view)
            render_start.show_start(view)
        if detach:
            return 0
        aside("Ctrl-C stops it")
        for view in use_case.follow(started):
            _raise_failure(view)
    except KeyboardInterrupt:
        aside("stopping it …")
        job_end.stop(jobs.look(started.folder))
        raise
    return 0


def _until_ready(started: use_case.Up) -> jobs.JobView:
    predicted = jobs.look(started.folder).launch.plan["estimate"]["start_up_s"]
    with render_jobs.starting((predicted["low"], predicted["mid"], predicted["high"])) as say:
        for view in use_case.follow(started):
            _raise_failure(view)
            say(view.state)
            if isinstance(view.state, Running) or is_over(view.state):
                return view
    raise AssertionError("a job that is over ends the loop")


def _raise_failure(view: jobs.JobView) -> None:
    if isinstance(view.state, Failed):
        where = f" on {view.state.node}" if is_gang(view.folder) else ""
        raise LaunchError(
            f"{view.folder.job_id} failed{where}: {view.state.reason}",
            hint=f"its log is {view.folder.engine_log}",
        )
