"""`homecluster service`."""

from __future__ import annotations

import getpass
import os
import sys

import click

from homecluster import wiring
from homecluster.cli.output import print_document

SCHEMA = "homecluster.service/1"


@click.command()
@click.option("--install", "is_install", is_flag=True, help="Write the systemd unit to its place in your home.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def service(*, is_install: bool, as_json: bool) -> int:
    """Say how this PC's agent is kept running, and write the systemd unit for it.

    Without --install nothing is changed: the unit is printed, with the commands that use it.
    """
    from homecluster.app import service as use_case  # noqa: PLC0415 - not needed for --help

    found = use_case.service(
        use_case.keeper_here(),
        python=sys.executable,
        home=wiring.paths().home,
        user=getpass.getuser(),
        environment=os.environ,
    )
    if is_install:
        use_case.install(found)
    if as_json:
        table = {
            "schema": SCHEMA,
            "keeper": found.keeper,
            "unit": found.unit,
            "file": None if found.file is None else str(found.file),
            "installed": is_install,
            "steps": list(found.steps),
        }
        print_document(table)
        return 0
    if found.unit is not None and not is_install:
        click.echo(f"# {found.file}   (homecluster service --install writes it)")
        click.echo(found.unit)
    elif is_install:
        click.echo(f"{found.file} is written; now type:")
    else:
        click.echo("this PC runs no systemd; what keeps the agent running instead:")
    for step in found.steps:
        click.echo(f"  {step}")
    return 0
