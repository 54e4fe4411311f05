"""A packet filter of a share's own: only the gang's PCs reach the ports of its processes, where nft may."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO

import psutil

from homecluster.launch import strays

DROP = "tcp dport @ports drop"
_ANSWER_S = 2.0
_LOOK_EVERY_S = 0.5


def can_fence() -> bool:
    """Whether this process may try."""
    return os.geteuid() == 0 and shutil.which("nft") is not None


def fence_lines(table: str, addresses: Iterable[str], ports: Iterable[int]) -> tuple[str, ...]:
    """What nft is told: a table that ends with the nft process, and drops strangers at a set of ports.

    Args:
        table: its name, of this process alone.
        addresses: of the gang's PCs.
        ports: known before the engine starts; more are added as they open.
    """
    known = tuple(addresses)
    four = tuple(address for address in known if ":" not in address)
    six = tuple(address for address in known if ":" in address)
    friends = [
        f"{family} saddr {{ {', '.join(group)} }} accept"
        for family, group in (("ip", four), ("ip6", six))
        if group
    ]
    chain = f"inet {table} input"
    rules = ('iifname "lo" accept', *friends, DROP)
    return (
        f"add table inet {table} {{ flags owner; }}",
        f"add set inet {table} ports {{ type inet_service; }}",
        *port_lines(table, ports),
        f"add chain {chain} {{ type filter hook input priority -10; policy accept; }}",
        # One by one: nft 1.0 does not find the set from rules that come with their chain.
        *(f"add rule {chain} {rule}" for rule in rules),
    )


def port_lines(table: str, ports: Iterable[int]) -> tuple[str, ...]:
    """What nft is told to guard more ports; nothing for none."""
    told = ", ".join(map(str, sorted(set(ports))))
    return (f"add element inet {table} ports {{ {told} }}",) if told else ()


@contextmanager
def fenced(
    addresses: tuple[str, ...], *, first_ports: tuple[int, ...], open_ports: tuple[int, ...]
) -> Iterator[bool]:
    """Whether strangers are kept from this process's and its descendants' ports while inside.

    A port that the engine opens is guarded at most half a second later; `open_ports` never are.
    """
    if not can_fence():
        yield False
        return
    try:
        nft = subprocess.Popen(
            ("nft", "-i"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        yield False
        return
    over = threading.Event()
    table = f"homecluster_{os.getpid()}"
    try:
        up = _set_up(nft, table, fence_lines(table, addresses, first_ports))
        if up:
            arguments = (nft, table, set(first_ports), frozenset(open_ports), over)
            threading.Thread(target=_follow, args=arguments, daemon=True).start()
        yield up
    finally:
        over.set()
        nft.kill()  # the kernel takes the table with it
        nft.wait()


def _set_up(nft: subprocess.Popen[bytes], table: str, lines: tuple[str, ...]) -> bool:
    """Whether nft shows the chain that it was told to make."""
    assert nft.stdin is not None
    assert nft.stdout is not None
    try:
        _tell(nft.stdin, (*lines, f"list table inet {table}"))
    except OSError:
        return False
    return _shows(nft.stdout, DROP.encode())


def _shows(stream: IO[bytes], wanted: bytes) -> bool:
    seen, until_s = b"", time.monotonic() + _ANSWER_S
    while (left_s := until_s - time.monotonic()) > 0:
        ready, _, _ = select.select([stream], [], [], left_s)
        if not ready or not (chunk := os.read(stream.fileno(), 65536)):
            return False
        seen += chunk
        if wanted in seen:
            return True
    return False


def _tell(stream: IO[bytes], lines: Iterable[str]) -> None:
    stream.write("".join(f"{line}\n" for line in lines).encode())
    stream.flush()


def _follow(
    nft: subprocess.Popen[bytes],
    table: str,
    guarded: set[int],
    left_open: frozenset[int],
    over: threading.Event,
) -> None:
    assert nft.stdin is not None
    while not over.wait(_LOOK_EVERY_S):
        new = listening_ports() - guarded - left_open
        if not new:
            continue
        try:
            _tell(nft.stdin, port_lines(table, new))
        except OSError:
            return  # nft is gone, and its table with it
        guarded |= new


def listening_ports() -> set[int]:
    """Of this process's descendants."""
    found: set[int] = set()
    for process in strays.descendants():
        try:
            connections = process.net_connections("tcp")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        found |= {one.laddr.port for one in connections if one.status == psutil.CONN_LISTEN}
    return found
