"""`netprobe serve`: let others measure the link to this PC."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from pathlib import Path
from typing import Final

import click

from netprobe.cli.inputs import read_token
from netprobe.responder import Responder
from netprobe.runner import onward
from netprobe.types import DEFAULT_PORT

_LOOPBACK: Final = "127.0.0.1"
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - only with a token


@click.command()
@click.option(
    "--bind", metavar="ADDRESS", help="Address to serve; with a token by default every one."
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to serve; 0: any free one.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Only who holds it may measure.",
)
@click.option(
    "--engine-python",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A Python that has torch, for its own all-reduce.",
)
def serve(bind: str | None, port: int, token_file: Path | None, engine_python: Path | None) -> int:
    """Answer `netprobe run` of other PCs until interrupted."""
    token = read_token(token_file)
    asyncio.run(_serve(_binds(bind, open_to_all=token is None), port, token, engine_python))
    return 0


def _binds(bind: str | None, *, open_to_all: bool) -> tuple[str, ...]:
    if open_to_all:
        return (_LOOPBACK,) if bind in {None, _LOOPBACK} else (_LOOPBACK, str(bind))
    return (bind,) if bind else _EVERYWHERE


async def _serve(
    binds: tuple[str, ...], port: int, token: bytes | None, engine_python: Path | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    responder = Responder(
        binds=binds, port=port, token=token, onward=onward, engine_python=engine_python, log=_log
    )
    async with responder:
        where = ", ".join(f"{_shown(bind)}:{responder.port}" for bind in binds)
        _log(f"serving {where}")
        if token is None:
            _log("no --token-file: anyone who reaches these addresses may measure")
        await stop.wait()
    _log("stopped")


def _shown(bind: str) -> str:
    try:
        return f"[{bind}]" if ipaddress.ip_address(bind).version == 6 else bind  # noqa: PLR2004
    except ValueError:
        return bind


def _log(line: str) -> None:
    click.echo("".join(letter if letter.isprintable() else "?" for letter in line), err=True)
