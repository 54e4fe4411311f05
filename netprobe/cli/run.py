"""`netprobe run`: probe the link to one PC."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from netprobe import runner
from netprobe.cli.inputs import parse_host, read_token
from netprobe.cli.interrupt import until_interrupted
from netprobe.report import report_document
from netprobe.types import FULL, QUICK, FailureKind, Report


@click.command()
@click.argument("host")
@click.option("--quick", "size", flag_value="quick", help="About 2 s, without iperf3.")
@click.option("--full", "size", flag_value="full", default="full", help="About 8 s (default).")
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The one that HOST serves with.",
)
@click.option(
    "--engine-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A Python that has torch, for its own all-reduce.",
)
@click.option("--json", "as_json", is_flag=True, help="One netprobe.report/1 document on stdout.")
def run(
    host: str, size: str, token_file: Path | None, engine_python: Path | None, as_json: bool
) -> int:
    """Probe the link to HOST[:PORT], where `netprobe serve` runs.

    Exit 0: all measured. 1: measured, with failures. 4: nothing could be measured.
    """
    address, port = parse_host(host)
    token = read_token(token_file)
    plan = QUICK if size == "quick" else FULL
    report = asyncio.run(
        until_interrupted(
            runner.probe(
                address,
                port,
                token=token,
                plan=plan,
                engine_python=engine_python,
                on_progress=_progress,
            )
        )
    )
    if as_json:
        click.echo(json.dumps(report_document(report), indent=2))
    else:
        from netprobe.cli.render import show_report  # noqa: PLC0415 - rich is slow to load

        show_report(report)
    return exit_code(report)


def exit_code(report: Report) -> int:
    """4 when no figure at all came out, 1 when some probe failed, 0 else; a missing tool was replaced."""
    if report.round_trip is None and report.throughput is None:
        return 4
    real = [one for one in report.failures if one.kind is not FailureKind.TOOL_MISSING]
    return 1 if real else 0


def _progress(doing: str) -> None:
    click.echo(f"  {doing} …", err=True)
