"""The port a new job answers at."""

from __future__ import annotations

from homecluster.app.jobs import living, look_at_all
from homecluster.errors import MissingError
from homecluster.launch.ports import usable_port
from homecluster.store.paths import Paths


def job_port(paths: Paths, host: str, port: int) -> int:
    """`port` if it is free at `host`; a free one for 0.

    Raises:
        MissingError: another job has it (named), another program does, or only root may.
        InputError: `host` is not an address of this PC.
    """
    try:
        return usable_port(host, port)
    except MissingError as error:
        for view in living(look_at_all(paths.jobs)):
            if view.launch.spec.port == port:
                job = view.folder.job_id
                raise MissingError(
                    f"port {port} of {host} is taken by the job {job}",
                    hint=f"end it: homecluster down {job}; or take the next free port: --port 0.",
                ) from error
        raise
