"""What this PC's own name resolves to on it, told from /etc/hosts: no name server is asked."""

from __future__ import annotations

import socket

from homecluster.inventory.host_files import ReadText, read_host_text


def own_name_address(read: ReadText = read_host_text) -> tuple[str, str | None]:
    """(host name, its address in /etc/hosts); None where the file does not name it."""
    name = socket.gethostname()
    return name, address_in_hosts(read("/etc/hosts") or "", name)


def address_in_hosts(text: str, name: str) -> str | None:
    """The first IPv4 address that a hosts file gives the name, whatever its case and comments."""
    wanted = name.lower()
    short = wanted.partition(".")[0]
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        names = {word.lower() for word in words[1:]}
        if words and ":" not in words[0] and names & {wanted, short}:
            return words[0]
    return None
