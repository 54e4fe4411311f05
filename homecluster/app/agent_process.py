"""The daemon's process: `python -m homecluster.app.agent_process HOME`."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import resource
import signal
import sys
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from homecluster import __version__
from homecluster.agent.agent import Agent, Surroundings
from homecluster.agent.folder import AgentFolder, check_secrets, lock_folder, make_folder, sweep
from homecluster.agent.limits import NEWEST_PROTOCOL
from homecluster.app.coordinator_search import CoordinatorSearch
from homecluster.app.link_watch import keep_watch
from homecluster.app.own_reach import limits_here
from homecluster.app.partial_copies import forget_abandoned
from homecluster.app.verbs import all_verbs, job_port
from homecluster.errors import HomeclusterError, MissingError
from homecluster.inventory.addresses import address_on
from homecluster.store.cluster_state import ClusterState, read_state
from homecluster.store.paths import Paths, paths_at

MODULE = "homecluster.app.agent_process"
LOG_BYTES, LOGS = 2_000_000, 3
log = logging.getLogger(MODULE)


def main(home: Path) -> int:
    """0 after a stop that was asked for; 3 when it cannot start; the log says why."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the keys
    folder = AgentFolder(home=home)
    try:
        make_folder(folder)
        check_secrets(folder)
        handle = lock_folder(folder)
        _log_to(folder.log)
        sweep(folder)
        state = read_state(folder.state)
        if state is None:
            raise MissingError(
                "this PC is in no cluster", hint="homecluster join makes it a member."
            )
    except HomeclusterError as error:
        sys.stderr.write(f"error: {error.message}\n  hint: {error.hint}\n")
        return error.exit_code
    try:
        asyncio.run(_run(folder, state))
    except Exception:
        # Raised again: this only writes our bug where people are told to look.
        log.exception("the agent ended by itself")
        raise
    finally:
        os.close(handle)
    return 0


async def _run(folder: AgentFolder, state: ClusterState) -> None:
    agent = Agent(folder, state, _surroundings(folder.home, state))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.end)
    log.info("agent of %s in cluster %s, pid %s", state.node, state.name, os.getpid())
    for name in forget_abandoned(paths_of_home(folder.home).models, now_s=time.time()):
        log.info("removed %s: nobody went on with that copy", name)
    watch = asyncio.create_task(keep_watch(agent, paths_of_home(folder.home)))
    try:
        await agent.run()
    finally:
        watch.cancel()
    log.info("agent ended")


def _surroundings(home: Path, state: ClusterState) -> Surroundings:
    paths = paths_of_home(home)
    return Surroundings(
        verbs=all_verbs(),
        job_port=lambda job: job_port(paths, job),
        address_of=lambda: address_on(state.interface),
        find_addresses=CoordinatorSearch(state).addresses,
        versions={
            "homecluster": __version__,
            "protocol": str(NEWEST_PROTOCOL),
            "python": platform.python_version(),
        },
        interface=state.interface,
        can_be_dialled=limits_here(state.interface) is None,
    )


def paths_of_home(home: Path) -> Paths:
    return paths_at(home, os.environ)


def _log_to(path: Path) -> None:
    """A log that cannot fill the disk; what goes in holds no token and no key."""
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=LOGS, delay=True)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.raiseExceptions = False  # a full disk must not end the agent
    for noisy in ("aiohttp.server", "aiohttp.web", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


class _OneLine(logging.Formatter):
    """Foreign names must not forge lines or steer a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
