"""One end of a link being measured, as its own process: `python -m homecluster.app.link_end`.

The order comes as JSON on stdin, so that no token shows in a process list; a blast of data does not
starve the agent that way, and when the agent dies the open stdin ends and this ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from netprobe.errors import MissingError, NetprobeError
from netprobe.report import report_document
from netprobe.responder import Responder
from netprobe.runner import probe
from netprobe.types import PLANS

Order = dict[str, Any]  # Any: JSON of our own agent, checked there


async def listen(order: Order) -> None:
    """Answer one measuring PC on one address until stdin ends or the time is up; prints the port first."""
    responder = await _started(order)
    abandoned = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), abandoned.set)
    try:
        print(json.dumps({"port": responder.port}), flush=True)  # noqa: T201 - read by the agent
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(order["seconds"]):
                await abandoned.wait()
    finally:
        await responder.close()


async def _started(order: Order) -> Responder:
    """On the first free port of those asked for."""
    for port in order["ports"]:
        responder = Responder(
            binds=(order["address"],),
            port=port,
            token=bytes.fromhex(order["token"]),
            engine_python=_python(order),
        )
        try:
            await responder.start()
        except MissingError:
            if port == order["ports"][-1]:
                raise
            continue
        return responder
    raise MissingError("no port to listen on was named")


async def measure(order: Order) -> None:
    """Dial the listening end and print the report."""
    report = await probe(
        order["address"],
        order["port"],
        token=bytes.fromhex(order["token"]),
        plan=PLANS[order["plan"]],
        engine_python=_python(order),
    )
    print(json.dumps(report_document(report)), flush=True)  # noqa: T201 - read by the agent


def _python(order: Order) -> Path | None:
    return Path(order["engine_python"]) if order.get("engine_python") else None


def main() -> None:
    """Exit 3 with a line on stderr when this PC could not do its part."""
    order = json.loads(sys.stdin.readline())
    try:
        asyncio.run(listen(order) if order["do"] == "listen" else measure(order))
    except NetprobeError as error:
        sys.exit(f"{error.message}")


if __name__ == "__main__":
    main()
