"""How a job of this PC is ended, whatever its supervisor can still do for it."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from homecluster.app.jobs import JobView, look, look_at_all, may_be_coming, owner_of
from homecluster.domain.job import JobState, Stopped, is_over
from homecluster.errors import HomeclusterError, LaunchError
from homecluster.launch import cgroup, scratch, strays
from homecluster.launch.identity import ProcessIdentity, is_alive, send_signal
from homecluster.launch.newborn import newborn
from homecluster.launch.supervisor_step import GRACE_S
from homecluster.store.job_store import JobEntry, JobFolder, Owner, read_entry, write_entry

_KILL_WITHIN_S = 15.0
_PAUSE_S = 0.1


def stop(view: JobView) -> JobView:
    """The job once nothing of it is left.

    Raises:
        LaunchError: a process resists SIGKILL (the kernel holds it); names its pid.
    """
    entry = view.entry or _end_newborn(view)
    if entry is not None and not is_over(view.state):
        _end_supervisor(owner_of(entry))
    group = Path(entry.group) if entry is not None and entry.group else None
    if group is not None and group.exists():
        cgroup.kill_group(group, _KILL_WITHIN_S)
        cgroup.remove_group(group)
    left = strays.kill_tagged(view.folder.job_id, _KILL_WITHIN_S)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise LaunchError(
            f"processes of {view.folder.job_id} do not end: {pids}",
            hint="they wait inside the kernel (a driver or a disk); `ps -o stat,wchan -p PID` shows where",
        )
    scratch.remove_scratch(view.folder.job_id)
    after = look(view.folder)
    if entry is not None and not is_over(entry.state) and after.entry == entry:
        _close(view.folder, entry, after.state)
        after = look(view.folder)
    return after


def ask_to_stop(view: JobView) -> JobView:
    """The job, asked to end and not waited for; asked twice it ends without grace.

    Raises:
        LaunchError: as `stop`, by which a job ends whose supervisor was killed.
    """
    if view.entry is not None and not is_over(view.entry.state):
        heard = send_signal(owner_of(view.entry), signal.SIGTERM)
        return view if heard else stop(view)
    return stop(view) if view.entry is None or view.processes else view


def settled(view: JobView) -> JobView:
    """The view; if its supervisor was killed, once what that one could not clean is cleaned.

    Raises:
        LaunchError: as `stop`.
    """
    was_killed = view.entry is not None and is_over(view.state) and not is_over(view.entry.state)
    return stop(view) if was_killed else view


def forget_old(jobs: Path, *, keep: int) -> None:
    """Remove the folders of jobs that are over, but for the newest; killed supervisors are cleaned up after."""
    over = [
        view.folder
        for view in map(settled, look_at_all(jobs))
        if is_over(view.state) and not view.processes
    ]
    for folder in over[:-keep]:
        shutil.rmtree(folder.path, ignore_errors=True)


def end_damaged(job_id: str) -> int:
    """Processes that carried the mark of a job whose folder is damaged, and were ended."""
    marked = len(strays.tagged(job_id))
    strays.kill_tagged(job_id, _KILL_WITHIN_S)
    return marked


def _end_newborn(view: JobView) -> JobEntry | None:
    """What a supervisor that was just coming up has written; its last word where it ended before the first."""
    deadline_s = time.monotonic() + _KILL_WITHIN_S
    last: ProcessIdentity | None = None
    while (entry := read_entry(view.folder)) is None and may_be_coming(view.folder, view.launch):
        if (found := newborn(view.folder.path)) is not None:
            last = found
            is_late = time.monotonic() > deadline_s
            send_signal(found, signal.SIGKILL if is_late else signal.SIGTERM)
        elif last is not None:
            break
        time.sleep(_PAUSE_S)
    if entry is None and last is not None:
        owner = Owner(boot_id=last.boot_id, pid=last.pid, start_ticks=last.start_ticks)
        entry = _write(view.folder, owner, None, Stopped(reason="stopped before it began"))
    return entry


def _end_supervisor(owner: ProcessIdentity) -> None:
    if not send_signal(owner, signal.SIGTERM):
        return
    deadline = time.monotonic() + GRACE_S + _KILL_WITHIN_S
    while is_alive(owner):
        if time.monotonic() > deadline:
            send_signal(owner, signal.SIGKILL)
            return
        time.sleep(_PAUSE_S)


def _close(folder: JobFolder, entry: JobEntry, state: JobState) -> None:
    """Write the end that the killed supervisor could not."""
    ended = state if is_over(state) else Stopped(reason="stopped after its supervisor was killed")
    _write(folder, entry.owner, entry.group, ended)


def _write(folder: JobFolder, owner: Owner, group: str | None, state: JobState) -> JobEntry:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = JobEntry(state=state, owner=owner, group=group, written_at=now)
    with contextlib.suppress(HomeclusterError):  # a full disk: the next look finds the same truth
        write_entry(folder, entry)
    return entry
