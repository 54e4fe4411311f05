"""What every share of another PC's job has here, whatever it does: its order, who gave it, and its lease."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from homecluster.app import job_end, jobs
from homecluster.domain.ids import NodeId
from homecluster.domain.job import is_over
from homecluster.domain.order_reader import number, text
from homecluster.errors import InputError, LaunchError
from homecluster.launch.lease import write_lease
from homecluster.store.files import read_json, write_json
from homecluster.store.job_store import JobFolder
from homecluster.store.paths import Paths

SHARE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,70}\.\d{1,2}")
LEASE_S: Final = (5, 600)
KEPT_FOLDERS: Final = 10
"""Of shares that are over."""
HERE: Final = NodeId("")
"""Leads what this PC itself started without an agent."""


class HasShare(Protocol):
    @property
    def share_id(self) -> str: ...


Order = TypeVar("Order", bound=HasShare)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareKind(Generic[Order]):
    """A sort of share, and how its order is kept in its folder."""

    what: str
    """As a person calls it."""
    file: str
    schema: str
    table: Callable[[Order], dict[str, Any]]
    read: Callable[[object], Order]

    def is_begun(self, paths: Paths, order: Order) -> bool:
        """Whether the very same order was given before.

        Raises:
            LaunchError: another one of that name was.
        """
        folder = JobFolder(path=paths.shares / order.share_id)
        if not folder.launch_file.exists():
            return False
        if self.kept(folder)[0] != order:
            raise LaunchError(f"{order.share_id} was started here before, with another order")
        return True

    def begin(self, paths: Paths, order: Order, led_by: str, lease_s: int) -> JobFolder:
        """A folder with the order and the lease; old ones that are over go."""
        job_end.forget_old(paths.shares, keep=KEPT_FOLDERS)
        folder = JobFolder(path=paths.shares / order.share_id)
        table = {"schema": self.schema, "led_by": led_by, "order": self.table(order)}
        write_json(folder.path / self.file, table)
        write_lease(folder.path, lease_s)
        return folder

    def kept(self, folder: JobFolder) -> tuple[Order, NodeId]:
        """The order in a share's folder, and the PC that gave it.

        Raises:
            InputError: it is damaged, or the folder is of something else.
        """
        document = read_json(folder.path / self.file, f"{self.what} order")
        if not isinstance(document, dict) or document.get("schema") != self.schema:
            raise InputError(f"{folder.path / self.file} is not a {self.schema} document")
        return self.read(document.get("order")), NodeId(str(document.get("led_by")))

    def folder_of(self, paths: Paths, body: Mapping[str, Any]) -> JobFolder:
        """The share that is asked about.

        Raises:
            InputError: no such share is here.
        """
        folder = JobFolder(path=paths.shares / text(body, "share", SHARE))
        if not (folder.path / self.file).is_file():
            raise InputError(f"this PC has no {self.what} {folder.job_id}")
        return folder

    def listed(self, paths: Paths) -> tuple[tuple[str, NodeId], ...]:
        """(share, who leads it) of every one that lives here for another PC."""
        found = []
        for view in jobs.living(jobs.look_at_all(paths.shares)):
            try:
                order, led_by = self.kept(view.folder)
            except InputError:
                continue  # another kind of share, or a damaged folder
            if led_by != HERE:
                found.append((order.share_id, led_by))
        return tuple(found)


def renew(view: jobs.JobView, body: Mapping[str, Any]) -> None:
    """Whoever looks at a share lets it live on."""
    if not is_over(view.state):
        write_lease(view.folder.path, number(body, "lease_s", *LEASE_S))
