"""Copying a model's files from a member: in chunks, going on where it stopped, checked, and all or nothing."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from homecluster.app.file_share import CHUNK_BYTES
from homecluster.app.ports import Members
from homecluster.domain.ids import NodeId
from homecluster.domain.units import format_bytes
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.store.files import private_folder
from homecluster.store.model_folder import MOST_FILES, ModelFile, is_wanted

CONFIG: Final = "config.json"
PARTIAL_PREFIX: Final = ".partial-"
IN_FLIGHT: Final = 2
"""Chunks asked for ahead. More would make the connection's heartbeats wait behind them on slow Wi-Fi."""
CHUNK_WITHIN_S: Final = 120.0
DONE_WITHIN_S: Final = 10.0
DIGEST_WITHIN_S: Final = 1800.0
"""The other PC reads the file whole: tens of gigabytes from a slow disk."""
SPARE_BYTES: Final = 256 * 1024**2
"""What the disk must keep free besides the files."""
TELL_EVERY_S: Final = 1.0
TRIES: Final = 3
RETRY_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 20.0)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A member that offers a model."""

    members: Members
    node: NodeId
    model: str

    def ask(self, verb: str, *, deadline_s: float, **body: Any) -> Mapping[str, Any]:
        """PeerError when it does not answer; InputError when it offers no such thing."""
        whole = {"model": self.model, **body}
        return self.members.ask(self.node, verb, whole, deadline_s=deadline_s)


def offered_files(source: Source) -> tuple[ModelFile, ...]:
    """What the member offers of the model.

    Raises:
        PeerError: it does not answer, or answers senselessly.
        InputError: it offers no such model.
    """
    answer = source.ask("files.list", deadline_s=CHUNK_WITHIN_S)
    try:
        files = tuple(
            ModelFile(name=str(one["name"]), size_bytes=int(one["bytes"]))
            for one in answer["files"][:MOST_FILES]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PeerError(f"{source.node} lists its files senselessly") from error
    if not all(is_wanted(file.name) and file.size_bytes >= 0 for file in files):
        raise PeerError(f"{source.node} offers files that are none of a model")
    return files


def pull_model(source: Source, final: Path, *, only_config: bool, tell: Tell) -> Path:
    """The folder `final`, whole and checked.

    Interrupted, it goes on where it stopped; `partial_copies` removes what nobody goes on with.

    Raises:
        PeerError: the member went away, or what came is not what it has.
        MissingError: the disk has no room.
        InputError: the member offers no such model.
    """
    files = offered_files(source)
    if only_config:
        files = tuple(file for file in files if file.name == CONFIG)
    partial = partial_of(final)
    try:
        with _alone(partial, tell):
            _fill(partial, final, source, files, tell)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)  # a full disk is given back what the copy took
        raise MissingError(
            f"cannot write the files of {source.model} in {final.parent}: {error.strerror or error}; "
            "what was copied of them is removed again",
            hint="free some disk space there.",
        ) from error
    with suppress(PeerError, InputError):  # the offer ends by itself too
        source.ask("files.done", deadline_s=DONE_WITHIN_S)
    return final


def _fill(
    partial: Path, final: Path, source: Source, files: tuple[ModelFile, ...], tell: Tell
) -> None:
    missing = tuple(file for file in files if not _is_there(final / file.name, file))
    begun_bytes = sum(part.stat().st_size for part in partial.glob("*"))
    check_room(partial, sum(file.size_bytes for file in missing) - begun_bytes, "the files")
    _pull_files(partial, source, missing, tell)
    _put_in_place(partial, final, missing)


def partial_of(final: Path) -> Path:
    """Where the files of `final` lie until all are there."""
    return final.with_name(f"{PARTIAL_PREFIX}{final.name}")


def lock_of(partial: Path) -> Path:
    """Held by who fills it."""
    return partial.with_name(f"{partial.name}.lock")


def check_room(folder: Path, needed_bytes: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold (MissingError)."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > 0 and free_bytes < needed_bytes + SPARE_BYTES:
        raise MissingError(
            f"{what} need {format_bytes(needed_bytes)} in {folder.parent}, and {format_bytes(free_bytes)} is free",
            hint="free some space there, or set HOMECLUSTER_HOME to a directory on a larger disk.",
        )


def _is_there(path: Path, file: ModelFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size_bytes


@contextmanager
def _alone(partial: Path, tell: Tell) -> Iterator[None]:
    """Two copies on one PC need one transfer."""
    private_folder(partial)
    with lock_of(partial).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for the same files that another copy brings here")
            fcntl.flock(lock, fcntl.LOCK_EX)
            partial.mkdir(exist_ok=True, mode=0o700)
        yield


def _pull_files(partial: Path, source: Source, files: tuple[ModelFile, ...], tell: Tell) -> None:
    total, done, told_s = sum(file.size_bytes for file in files), 0, 0.0
    for file in files:
        before = done

        def say(of_file: int, before: int = before) -> None:
            nonlocal told_s
            now_s = time.monotonic()
            if now_s - told_s < TELL_EVERY_S and before + of_file < total:
                return
            told_s = now_s
            words = f"{format_bytes(before + of_file)} of {format_bytes(total)}"
            tell(f"copying {source.model} from {source.node}: {words}")

        for left in reversed(range(TRIES)):
            if _pull_file(partial / file.name, source, file, say):
                break
            (partial / file.name).unlink()  # it is not what the other PC has: begin anew
            if not left:
                raise PeerError(f"{file.name} from {source.node} came damaged {TRIES} times")
        done += file.size_bytes


def _pull_file(path: Path, source: Source, file: ModelFile, say: Callable[[int], None]) -> bool:
    """Whether the file here is now the one there."""
    digest = hashlib.sha256()
    with path.open("a+b") as out:
        out.seek(0)
        while known := out.read(CHUNK_BYTES):
            digest.update(known)
        _append(out, digest.update, source, file, say)
    there = source.ask("files.digest", deadline_s=DIGEST_WITHIN_S, file=file.name)
    return there.get("sha256") == digest.hexdigest()


def _append(
    out: BinaryIO,
    update: Callable[[bytes], None],
    source: Source,
    file: ModelFile,
    say: Callable[[int], None],
) -> None:
    """Write what is missing at the end, with a few chunks asked for ahead."""
    offsets = iter(range(out.tell(), file.size_bytes, CHUNK_BYTES))
    pending: deque[Future[bytes]] = deque()
    given_up = threading.Event()
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        try:
            for offset in offsets:
                pending.append(pool.submit(_chunk, source, file.name, offset, given_up))
                if len(pending) == IN_FLIGHT:
                    _take(out, update, pending.popleft(), say)
            while pending:
                _take(out, update, pending.popleft(), say)
        finally:
            given_up.set()  # who asked to stop does not wait for patience
            pool.shutdown(wait=False, cancel_futures=True)


def _take(
    out: BinaryIO, update: Callable[[bytes], None], chunk: Future[bytes], say: Callable[[int], None]
) -> None:
    data = chunk.result()
    out.write(data)
    update(data)
    say(out.tell())


def _chunk(source: Source, name: str, offset: int, given_up: threading.Event) -> bytes:
    answer = _patiently(source, name, offset, given_up)
    try:
        data = base64.b64decode(str(answer["data"]), validate=True)
    except (KeyError, binascii.Error) as error:
        raise PeerError(f"{source.node} sent what is no part of a file") from error
    if not data or len(data) > CHUNK_BYTES:
        raise PeerError(f"{name} on {source.node} became shorter while it was copied")
    return data


def _patiently(
    source: Source, name: str, offset: int, given_up: threading.Event
) -> Mapping[str, Any]:
    """A link that is down for a while only delays."""
    for pause_s in RETRY_PAUSES_S:
        try:
            return source.ask("files.read", deadline_s=CHUNK_WITHIN_S, file=name, offset=offset)
        except PeerError:
            if given_up.wait(pause_s):
                raise
    return source.ask("files.read", deadline_s=CHUNK_WITHIN_S, file=name, offset=offset)


def _put_in_place(partial: Path, final: Path, files: tuple[ModelFile, ...]) -> None:
    """At once: a folder with some of its weights would pass for a whole one."""
    if not files and final.exists():
        partial.rmdir()
        return
    if final.exists():  # what is here already, such as the configuration, joins the rest
        for path in final.iterdir():
            if not (partial / path.name).exists():
                path.replace(partial / path.name)
        shutil.rmtree(final)
    partial.rename(final)
