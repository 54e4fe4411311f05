"""What a bench of whole copies looks at beyond other jobs: who got the requests, and the leading PC's link."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import psutil

from homecluster.app.gang_bench import Counters, counter_of
from homecluster.app.gang_share_launch import interface_of
from homecluster.app.jobs import JobView, processes_of
from homecluster.app.ports import Members
from homecluster.errors import HomeclusterError
from homecluster.launch import strays
from homecluster.launch.link_bytes import LinkBytes, read_link_bytes
from homecluster.launch.warm_up import Target
from homecluster.store.copies_store import has_copies, read_copies, read_now
from homecluster.store.job_store import JobFolder

_GIVEN: Final = re.compile(r'^homecluster_copy_requests_total\{copy="(.*)"\} (\d+)$', re.MULTILINE)
_METRICS_WITHIN_S: Final = 30.0


def counts_of_copies(view: JobView, target: Target) -> Mapping[str, int]:
    """Copy -> requests that it was given so far; nothing of other jobs, or when the address does not tell."""
    if not has_copies(view.folder):
        return {}
    connection = http.client.HTTPConnection(target.host, target.port, timeout=_METRICS_WITHIN_S)
    headers = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/metrics", headers=headers)
        text = connection.getresponse().read().decode(errors="replace")
        connection.close()
        return read_counts(text)
    return {}


def read_counts(text: str) -> dict[str, int]:
    """Copy -> requests, from the address's Prometheus text."""
    return {name: int(count) for name, count in _GIVEN.findall(text)}


def requests_given(before: Mapping[str, int], after: Mapping[str, int]) -> list[dict[str, Any]]:
    """Of each copy, between two counts."""
    return [{"copy": name, "requests": after[name] - before.get(name, 0)} for name in after]


def processes_here(view: JobView) -> list[psutil.Process]:
    """The job's processes on this PC, those of its copies here too."""
    found = processes_of(view)
    if has_copies(view.folder):
        own = {one.name for one in read_copies(view.folder).copies if one.is_here}
        shares = [now["share"] for now in read_now(view.folder) if now["name"] in own]
        found += [process for share in shares for process in strays.tagged(share)]
    return found


def count_links(members: Members | None, folder: JobFolder) -> Callable[[], Counters]:
    """What counts the bytes of a job's links now: every PC's of a gang; of copies this PC's, over which those
    elsewhere get and answer requests; nothing for a job inside one PC.
    """
    if not has_copies(folder):
        return counter_of(members, folder)
    if members is None or all(one.is_here for one in read_copies(folder).copies):
        return dict
    name, interface = _own_link(members)

    def count() -> dict[str, LinkBytes]:
        counted = read_link_bytes(interface) if interface else None
        return {name: counted} if counted else {}

    return count


def _own_link(members: Members) -> tuple[str, str | None]:
    """(this PC's name, the interface by which the cluster knows it)."""
    with suppress(HomeclusterError):
        for one in members.members():
            if one.is_here and one.address:
                return one.name, interface_of(one.address)
    return "", None
