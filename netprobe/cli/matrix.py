"""`netprobe matrix`: every pair of several hosts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click

from netprobe import runner
from netprobe.cli.inputs import parse_host, read_token
from netprobe.cli.interrupt import until_interrupted
from netprobe.errors import InputError
from netprobe.matrix import Host, Matrix, matrix_document
from netprobe.types import FailureKind


@click.command()
@click.option(
    "--hosts",
    "hosts_file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="One a line: [NAME] HOST[:PORT] [TOKEN-FILE].",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For the hosts that name none.",
)
@click.option("--json", "as_json", is_flag=True, help="One netprobe.matrix/1 document on stdout.")
def matrix(hosts_file: Path, token_file: Path | None, as_json: bool) -> int:
    """Probe every pair of hosts that run `netprobe serve`.

    Exit 0: all measured. 1: measured, with failures. 4: nothing could be measured.
    """
    hosts = read_hosts(hosts_file, read_token(token_file))
    found = asyncio.run(
        until_interrupted(
            runner.measure_matrix(
                hosts, on_progress=lambda doing: click.echo(f"  {doing} …", err=True)
            )
        )
    )
    if as_json:
        click.echo(json.dumps(matrix_document(found), indent=2))
    else:
        from netprobe.cli.render import show_matrix  # noqa: PLC0415 - rich is slow to load

        show_matrix(found)
    return exit_code(found)


def exit_code(found: Matrix) -> int:
    """4 when no pair has a figure, 1 when something failed, 0 else."""
    if not any(report.round_trip or report.throughput for report in found.reports):
        return 4
    failures = [*found.failures, *(one for report in found.reports for one in report.failures)]
    return 1 if any(one.kind is not FailureKind.TOOL_MISSING for one in failures) else 0


def read_hosts(path: Path, token: bytes | None) -> tuple[Host, ...]:
    """The hosts of a file; `#` begins a comment.

    Raises:
        InputError: not readable, a line that is no host, a name twice, or fewer than two hosts.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"cannot read hosts file {path}: {why}") from error
    hosts: dict[str, Host] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        host = _host(words, token, f"{path} line {number}")
        if host.name in hosts:
            raise InputError(f"{path} line {number}: {host.name} is there twice")
        hosts[host.name] = host
    if len(hosts) < 2:  # noqa: PLR2004 - a pair
        raise InputError(f"{path} names {len(hosts)} hosts; a matrix needs two at least")
    return tuple(hosts.values())


def _host(words: list[str], token: bytes | None, place: str) -> Host:
    if len(words) > 3:  # noqa: PLR2004 - name, host, token file
        raise InputError(f"{place}: write [NAME] HOST[:PORT] [TOKEN-FILE]")
    name, address = (words[0], words[0]) if len(words) == 1 else (words[0], words[1])
    try:
        host, port = parse_host(address)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hint=error.hint) from error
    own = read_token(Path(words[2])) if len(words) == 3 else token  # noqa: PLR2004
    return Host(name=name, address=host, port=port, token=own)
