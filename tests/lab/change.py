"""`python -m tests.lab change HOST …`: change a link of a lab that runs in another terminal."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.lab.control import LabError, ask
from tests.lab.leftovers import lab_folders
from tests.lab.link import Link
from tests.lab.plan import home_from_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What can be changed."""
    parser.add_argument("host", help="a, b, c, …")
    parser.add_argument(
        "fault",
        nargs="?",
        choices=("down", "up", "block", "unblock", "flap"),
        help="unplug, plug in, drop silently, stop dropping, unplug and plug every second",
    )
    parser.add_argument("--interface", help="of several: eth0, tun0 …")
    parser.add_argument("--direction", choices=("up", "down", "both"), default="both")
    parser.add_argument("--rate-mbit", type=float)
    parser.add_argument("--delay-ms", type=float, help="one way, this link")
    parser.add_argument("--jitter-ms", type=float)
    parser.add_argument("--loss-percent", type=float)
    parser.add_argument("--queue-kib", type=float)
    parser.add_argument("--blackhole-over-bytes", type=int, help="drop larger packets silently")
    parser.add_argument("--lab", type=Path, help="its folder, if several labs run")


def change(options: argparse.Namespace) -> None:
    """Perform it.

    Raises:
        LabError: no lab, several, or a value that no link can have.
        ValueError: no such host or interface.
    """
    folder = options.lab or _only_lab()
    home = home_from_json(ask(folder, {"do": "describe"})["home"])
    link = Link(folder=folder, port=home.interface(options.host, options.interface).port)
    match options.fault:
        case "down":
            link.down()
        case "up":
            link.up()
        case "flap":
            link.flap(up_s=1.0, down_s=1.0)
        case "block":
            link.block(options.direction)
        case "unblock":
            link.unblock(options.direction)
    if options.blackhole_over_bytes is not None:
        link.blackhole(over_bytes=options.blackhole_over_bytes, direction=options.direction)
    link.set(
        direction=options.direction,
        rate_mbit=options.rate_mbit,
        delay_ms=options.delay_ms,
        jitter_ms=options.jitter_ms,
        loss_percent=options.loss_percent,
        queue_kib=options.queue_kib,
    )


def _only_lab() -> Path:
    folders = lab_folders()
    if len(folders) != 1:
        found = ", ".join(map(str, folders)) or "none"
        raise LabError(f"name the lab by --lab FOLDER; running: {found}")
    return folders[0]
