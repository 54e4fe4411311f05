"""One PC's part of a job's own Ray, and on the first PC the engine's server; runs in the engine environment.

`python -m homecluster.jobs.ray_share --address A --head A --port P --units N --pcs N [-- SERVER…]`.
It ends with whichever of its children ends first, and takes the other one along. It never calls
`ray stop`, which would end every Ray of the PC.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from homecluster.engines.ray_command import ray_start_arguments

LONGEST_PLACE = 26
"""A socket's path has 107 bytes at most, of which Ray's session takes 66, and our two folders 14."""
RAYS_FOLDER = "r"
"""Ray lets everybody write into its folder, so it gets one inside ours."""
HEAD_WITHIN_S = 120.0
GRACE_S = 5.0
_PAUSE_S = 0.2


def main(arguments: list[str]) -> int:
    """Exit status of the child that ended first."""
    own, server = _split(arguments)
    asked = _parser().parse_args(own)
    os.umask(0o077)
    signal.signal(signal.SIGTERM, _leave)
    folder = short_folder(tempfile.gettempdir())
    is_head = asked.address == asked.head
    if not is_head:
        wait_for_port(asked.head, asked.port)
    children = [_start_ray(asked, folder)]
    try:
        if server:
            wait_for_port(asked.address, asked.port)
            environment = os.environ | {"RAY_ADDRESS": f"{asked.address}:{asked.port}"}
            children.append(subprocess.Popen(server, env=environment))
        return _first_end(children)
    finally:
        _end(children)
        shutil.rmtree(folder, ignore_errors=True)


def short_folder(usual: str) -> Path:
    """A new private folder for sockets and logs: in the job's temporary folder if that is short enough."""
    place = usual if len(usual) <= LONGEST_PLACE else "/tmp"  # noqa: S108 - mkdtemp makes it private
    return Path(tempfile.mkdtemp(prefix="hc-", dir=place))


def wait_for_port(address: str, port: int) -> None:
    """Return once something listens there.

    Raises:
        TimeoutError: nothing does within two minutes.
    """
    deadline_s = time.monotonic() + HEAD_WITHIN_S
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection((address, port), timeout=2).close()
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            return
    raise TimeoutError(f"Ray's head at {address} port {port} did not come up")


def _start_ray(asked: argparse.Namespace, folder: Path) -> subprocess.Popen[bytes]:
    flags = ray_start_arguments(
        own_address=asked.address,
        head_address=asked.head,
        port=asked.port,
        units=asked.units,
        folder=str(folder / RAYS_FOLDER),
    )
    return subprocess.Popen((sys.executable, "-m", "ray.scripts.scripts", *flags))


def _first_end(children: Sequence[subprocess.Popen[bytes]]) -> int:
    while True:
        for child in children:
            if (status := child.poll()) is not None:
                return status if status >= 0 else 128 - status
        time.sleep(_PAUSE_S)


def _end(children: Sequence[subprocess.Popen[bytes]]) -> None:
    for child in reversed(children):
        child.terminate()
    for child in children:
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()


def _leave(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """(own flags, the server's argv)."""
    if "--" not in arguments:
        return arguments, []
    place = arguments.index("--")
    return arguments[:place], arguments[place + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ray_share")
    parser.add_argument("--address", required=True)
    parser.add_argument("--head", required=True)
    for name in ("--port", "--units", "--pcs"):
        parser.add_argument(name, type=int, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
