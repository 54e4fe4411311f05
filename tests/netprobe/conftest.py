import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

TOKEN = b"a token for tests only"


def children(pid):
    """Direct children of a process, of all its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended meanwhile
            found += (task / "children").read_text().split()
    return found


def _sockets(pid):
    """(table, local address in hexadecimal, port) of what a process holds open for others."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    for table, states in (("tcp", {"0A"}), ("tcp6", {"0A"}), ("udp", {"07"}), ("udp6", {"07"})):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            columns = line.split()
            if columns[9] in inodes and columns[3] in states:
                address, _, port = columns[1].rpartition(":")
                yield table, address, int(port, 16)


def listening_ports(pid):
    """TCP and UDP ports that a process holds open for others."""
    return {port for _, _, port in _sockets(pid)}


def listening_addresses(pid):
    """The IPv4 addresses of its TCP listeners."""
    return {
        socket.inet_ntoa(bytes.fromhex(address)[::-1])
        for table, address, _ in _sockets(pid)
        if table == "tcp"
    }


@contextmanager
def serving(tmp_path, *options, env=None, prefix=()):
    """`netprobe serve` as a process of its own: (process, port)."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "netprobe", "serve", "--port", "0", *options],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=tmp_path,
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert line.startswith("serving "), line
        yield process, int(line.split(",")[0].rpartition(":")[2])
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        process.stderr.close()
        process.wait()


def eventually(condition, within_s=45.0):
    """Whether it comes true; the limit is what a starved machine may need, not what it should take."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_bytes(TOKEN)
    path.chmod(0o600)
    return path
