"""A Ray of one's own on this PC for the length of a job: never another's, and gone afterwards.

Runs inside the engine environment.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MIB: Final = 1024**2
STORE_BYTES: Final = 128 * MIB
"""Ray's object store unless a job needs more."""
_LONGEST_FOLDER: Final = 40
"""Ray makes Unix sockets some 60 characters below its folder, and their paths end at 107."""


@contextmanager
def private_ray(*, cpus: int, store_bytes: int = STORE_BYTES) -> Iterator[None]:
    """Ray started by this process, reachable with its own token only, and ended with the block.

    It gets a folder of its own, no dashboard, and no address from the environment; `ray stop`, which ends
    everybody's Ray on this PC, is never used. Nobody may import ray before: it reads the environment then.
    """
    folder = Path(tempfile.mkdtemp(prefix="hc-ray-", dir=_short_folder()))
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32))
    os.environ.pop("RAY_ADDRESS", None)
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
    }
    import ray

    try:
        ray.init(
            address="local",
            num_cpus=cpus,
            num_gpus=0,
            include_dashboard=False,
            object_store_memory=store_bytes,
            log_to_driver=False,
            logging_level="ERROR",
            _temp_dir=str(folder / "r"),
        )
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str:
    usual = tempfile.gettempdir()
    return usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - mkdtemp makes it private
