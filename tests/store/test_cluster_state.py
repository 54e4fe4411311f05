"""The cluster's state survives whatever happens to its file."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, MissingError
from homecluster.store.checked_file import DamagedError, read_checked, write_checked
from homecluster.store.cluster_state import (
    SCHEMA,
    ClusterState,
    Pin,
    WaitingToken,
    read_state,
    state_from,
    write_state,
)

STATE = ClusterState(
    cluster_id="c", name="a", cluster_key_sha256="0" * 64, node=NodeId("a"), role=Role.OPERATOR,
    is_coordinator=True, epoch=3, interface="eth0", port=7433, addresses=(("10.0.0.1", 7433),),
    pins=(Pin(node=NodeId("b"), key_sha256="1" * 64, role=Role.WORKER, added_at="2026-01-01"),),
    revoked=("2" * 64,),
    tokens=(WaitingToken(token_id="t", secret_sha256="3" * 64, role=Role.WORKER, boot_id="x", expires_boottime_s=9.5),),
)  # fmt: skip


def test_a_state_reads_back_as_it_was_written(tmp_path: Path) -> None:
    write_state(tmp_path / "s", STATE)

    assert read_state(tmp_path / "s") == STATE
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_cluster(tmp_path: Path) -> None:
    assert read_state(tmp_path / "s") is None


def test_of_a_damaged_file_the_one_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write_state(path, STATE)
    write_state(path, replace(STATE, epoch=4))
    path.write_bytes(path.read_bytes()[:-9])

    assert read_state(path) == STATE


def test_a_damaged_file_never_becomes_the_backup(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write_state(path, STATE)
    write_state(path, replace(STATE, epoch=4))
    path.write_bytes(b"junk")

    write_state(path, replace(STATE, epoch=5))
    path.write_bytes(b"junk")

    assert read_state(path) == STATE


@given(cut=st.integers(0, 2000), flip=st.integers(0, 255), lengthen=st.binary(max_size=3))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_fuzz_a_changed_file_is_told_or_read_as_it_was(
    tmp_path: Path, cut: int, flip: int, lengthen: bytes
) -> None:
    path = tmp_path / "s"
    (tmp_path / "s.bak").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    write_state(path, STATE)
    content = bytearray(path.read_bytes())
    content[cut % len(content)] ^= flip
    path.write_bytes(bytes(content[: max(cut, 1)]) + lengthen)

    with contextlib.suppress(DamagedError):
        assert read_state(path) == STATE


@pytest.mark.parametrize("kind", ["folder", "link", "fifo", "huge"])
def test_what_is_no_file_of_ours_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "s"
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            write_state(tmp_path / "other", STATE)
            path.symlink_to(tmp_path / "other")
        case "fifo":
            os.mkfifo(path)
        case _:
            with path.open("wb") as file:
                file.truncate(10**9)

    with pytest.raises(DamagedError):
        read_state(path)


def test_a_newer_version_is_told_to_upgrade() -> None:
    with pytest.raises(MissingError) as caught:
        state_from({"schema": "homecluster.cluster-state/2"}, "s")

    assert "upgrade" in str(caught.value.hint)


json_values = st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.lists(st.none(), max_size=2)  # fmt: skip


@given(st.sampled_from([*asdict(STATE)]), json_values, st.booleans())
@settings(max_examples=100)
def test_fuzz_a_checksummed_but_odd_document_is_refused_or_read(
    key: str, value: object, missing: bool
) -> None:
    document = json.loads(json.dumps({"schema": SCHEMA} | asdict(STATE)))
    document[key] = value
    if missing:
        del document[key]

    with contextlib.suppress(InputError, MissingError):
        assert isinstance(state_from(document, "s"), ClusterState)


def test_a_folder_that_cannot_be_written_keeps_the_old_state(tmp_path: Path) -> None:
    path = tmp_path / "s"
    write_state(path, STATE)

    with pytest.raises(MissingError):
        write_checked(path / "below", b"x")  # a file is no folder: the write fails for root too

    assert read_state(path) == STATE


WRITER = """
import sys
from pathlib import Path
from homecluster.store.checked_file import write_checked
number = 0
while True:
    number += 1
    write_checked(Path(sys.argv[1]), str(number).encode() * 200)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_at_any_moment_loses_nothing_it_acknowledged(
    tmp_path: Path,
) -> None:
    path, moments = tmp_path / "s", random.Random(7)
    for _ in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            said = [writer.stdout.readline()]
            time.sleep(moments.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            said += writer.stdout.read().splitlines()
        acknowledged = int([line for line in said if line.strip().isdigit()][-1])

        content = read_checked(path)

        assert content is not None
        found = int(content[: len(content) // 200])
        assert found in {acknowledged, acknowledged + 1}
        path.unlink()
