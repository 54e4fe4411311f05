"""Where the agent's own files are, and that nobody else can read or write them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from homecluster.errors import MissingError
from homecluster.store.files import private_folder

_SOCKET_PATH_BYTES = 100
"""The kernel takes 107; names of tunnels need some of them."""
_TUNNEL_NAME_BYTES = len("/t-0123456789ab.sock")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFolder:
    """`HOME/agent`; the file of state is written last, so a PC is in a cluster exactly when it exists."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / "agent"

    @property
    def state(self) -> Path:
        return self.path / "cluster-state"

    @property
    def backup(self) -> Path:
        """The state before the last change, for when the file is damaged."""
        return self.state.with_name(self.state.name + ".bak")

    @property
    def node_key(self) -> Path:
        return self.path / "node.key"

    @property
    def node_certificate(self) -> Path:
        return self.path / "node.crt"

    @property
    def cluster_key(self) -> Path:
        """On the coordinator only."""
        return self.path / "cluster.key"

    @property
    def cluster_certificate(self) -> Path:
        return self.path / "cluster.crt"

    @property
    def lock(self) -> Path:
        return self.path / "agent.lock"

    @property
    def log(self) -> Path:
        return self.path / "agent.log"

    @property
    def sockets(self) -> Path:
        """`HOME/agent`, or a short folder of this user where that path is too long for a socket."""
        if len(os.fsencode(self.path)) + _TUNNEL_NAME_BYTES <= _SOCKET_PATH_BYTES:
            return self.path
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
        return Path(f"/tmp/homecluster-{os.getuid()}-{name}")  # noqa: S108 - owner and mode are checked by `secure`

    @property
    def socket(self) -> Path:
        return self.sockets / "agent.sock"

    def tunnel(self, node: str, job: str) -> Path:
        name = hashlib.sha256(f"{node}\n{job}".encode()).hexdigest()[:12]
        return self.sockets / f"t-{name}.sock"


def make_folder(folder: AgentFolder) -> None:
    """Create the folders that are missing, 0700, and refuse those that others may enter.

    Raises:
        MissingError: a folder cannot be made, is not ours, or is open to others.
    """
    for path in (folder.path, folder.sockets):
        try:
            private_folder(path)
            status = path.lstat()
        except OSError as error:
            raise MissingError(
                f"cannot make {path}: {error.strerror or error}",
                hint="free some disk space there, or set HOMECLUSTER_HOME to a directory that you can write.",
            ) from error
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise MissingError(
                f"{path} is not this user's own folder", hint=f"look at it: ls -ld {path}"
            )
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise MissingError(f"others on this PC may enter {path}", hint=f"chmod 700 {path}")


def check_secrets(folder: AgentFolder) -> None:
    """Refuse keys that others may read.

    Raises:
        MissingError: names the file and the command that mends it.
    """
    for path in (folder.node_key, folder.cluster_key, folder.state):
        if not path.exists():
            continue
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise MissingError(f"{path} is not this user's own file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise MissingError(f"others on this PC may read {path}", hint=f"chmod 600 {path}")


def sweep(folder: AgentFolder) -> None:
    """Remove half-written files that a killed agent left; to be called by who holds the lock."""
    for path in folder.path.glob(f".{folder.state.name}.*"):
        path.unlink(missing_ok=True)


def lock_folder(folder: AgentFolder) -> int:
    """A handle that keeps every other agent off this folder while it is open.

    Raises:
        MissingError: an agent runs already.
    """
    try:
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise MissingError(
            f"cannot write {folder.lock}: {error.strerror or error}",
            hint="free some disk space there, or make the folder writable.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise MissingError(
            f"another agent runs on {folder.path}",
            hint="homecluster nodes asks it; homecluster leave ends it.",
        ) from error
    return handle
