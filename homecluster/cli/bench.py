"""`homecluster bench`."""

from __future__ import annotations

from typing import Any

import click
from click.core import ParameterSource

from homecluster import wiring
from homecluster.app import bench as use_case
from homecluster.app import jobs
from homecluster.app.calibrate import SECONDS_EACH, calibration_table, loads, refit
from homecluster.app.copies_bench import count_links
from homecluster.app.launching import home_of
from homecluster.cli import render_bench
from homecluster.cli.aside import progress
from homecluster.cli.output import print_document
from homecluster.cli.workload_options import serve_from, workload_options

_CHANGES = {
    "prompt_tokens": "prompt_tokens",
    "output_tokens": "output_tokens",
    "concurrency": "concurrent_requests",
    "request_rate": "request_rate_per_s",
}
"""Flag -> the workload's field; the others are the engine's and cannot change while it runs."""


@click.command()
@click.argument("job", required=False)
@workload_options
@click.option(
    "--seconds",
    type=click.FloatRange(min=1, max=3600),
    default=30.0,
    show_default=True,
    help="About how long to measure.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="Three short runs of other loads, and fit this PC's figures to them; below two minutes.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one bench document.")
@click.pass_context
def bench(
    ctx: click.Context,
    /,
    *,
    job: str | None,
    seconds: float,
    calibrate: bool,
    as_json: bool,
    **flags: Any,
) -> int:
    r"""Measure JOB (or the only running one) and print it beside the prediction.

    Random prompts of exact length, answers to their full length, by vLLM's own client.
    Without workload flags: the workload that the job was planned for.
    Every run is kept, and later plans of this PC are fitted to them.
    """
    paths = wiring.paths()
    view = jobs.choose(jobs.serving(jobs.look_at_all(paths.jobs)), job)
    given = {
        flag for flag in _CHANGES if ctx.get_parameter_source(flag) is ParameterSource.COMMANDLINE
    }
    asked = serve_from(flags)
    spec = wiring.model(view.launch.model_folder).spec
    members = wiring.members()
    asked_for = [({_CHANGES[flag]: getattr(asked, _CHANGES[flag]) for flag in given}, seconds)]
    if calibrate:
        longest = use_case.longest_request(view, spec)
        asked_for = [(load, SECONDS_EACH) for load in loads(longest)]
    for changes, each_s in asked_for:
        document = use_case.bench(
            paths,
            view,
            use_case.Request(changes=changes, seconds=each_s),
            find_cluster=lambda: home_of(wiring.here(), members, progress).cluster,
            spec=spec,
            tell=progress,
            count_links=count_links(members, view.folder),
        )
        if calibrate and not as_json:
            render_bench.show(document)
    document["calibration"] = calibration_table(refit(paths, view.launch.engine))
    if calibrate and not as_json:
        render_bench.show_calibration(document["calibration"])
        return 0
    if as_json:
        print_document(document)
    else:
        render_bench.show(document)
    return 0
