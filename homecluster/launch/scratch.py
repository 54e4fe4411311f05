"""A job's own folder for temporary files: vLLM leaves its sockets there when it is killed."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path


def scratch_of(job_id: str) -> Path:
    """Short, because a socket's path has at most 107 bytes, and found again from the job's name."""
    name = hashlib.sha256(job_id.encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"hc-{os.getuid()}-{name}"


def make_scratch(job_id: str) -> tuple[tuple[str, str], ...]:
    """Variables that lead an engine there; none when someone else made that folder before us."""
    folder = scratch_of(job_id)
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        return ()
    return (("TMPDIR", str(folder)), ("VLLM_RPC_BASE_PATH", str(folder)))


def remove_scratch(job_id: str) -> None:
    folder = scratch_of(job_id)
    if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
        shutil.rmtree(folder, ignore_errors=True)
