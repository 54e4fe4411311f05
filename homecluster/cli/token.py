"""`homecluster token`."""

from __future__ import annotations

from pathlib import Path

import click

from homecluster import wiring
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document

SCHEMA = "homecluster.token/1"
BACKUP_SCHEMA = "homecluster.backup-made/1"
_DEADLINE_S = 10.0


@click.command()
@click.option("--operator", is_flag=True, help="The PC that joins may start and stop jobs and make tokens.")  # fmt: skip
@click.option("--backup", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Instead: keep the cluster's key and members in FILE, so that another PC can take over.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def token(*, operator: bool, backup: Path | None, as_json: bool) -> int:
    """Make a join token: it admits one PC, within 15 minutes.

    \b
    On the other PC: homecluster join, and paste it; or keep it in a file:
      homecluster token > token; chmod 600 token
      homecluster join --token-file token
    """  # noqa: D301 - click looks for the backspace itself
    from homecluster.agent.local import COORDINATOR, LocalAgent  # noqa: PLC0415 - not needed for --help

    home = wiring.paths().home
    if backup is not None:
        return _back_up(home, backup, as_json=as_json)
    answer = LocalAgent(home).ask(
        COORDINATOR,
        "cluster.token",
        {"role": "operator" if operator else "worker"},
        deadline_s=_DEADLINE_S,
    )
    if as_json:
        print_document({"schema": SCHEMA, **answer})
        return 0
    click.echo(answer["token"])
    aside(
        f"  admits one PC as {answer['role']} within {answer['lifetime_s'] / 60:.0f} minutes; "
        "there: homecluster join"
    )
    return 0


def _back_up(home: Path, file: Path, *, as_json: bool) -> int:
    from homecluster.app.backup import make_backup  # noqa: PLC0415 - cryptography is not needed for a token

    state = make_backup(home, file)
    if as_json:
        print_document({"schema": BACKUP_SCHEMA, "file": str(file), "members": len(state.pins)})
    else:
        click.echo(
            f"{file} holds the key of the cluster of {state.name}: whoever has it owns the cluster"
        )
    return 0
