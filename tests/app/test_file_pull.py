"""Copying a model between two PCs: whole or not at all, from where it stopped, and never beyond the folder."""

from __future__ import annotations

import base64
import errno
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from homecluster.app import file_pull, file_share
from homecluster.app.file_pull import Source, pull_model
from homecluster.app.offers import Offer, offer
from homecluster.domain.ids import NodeId
from homecluster.errors import InputError, MissingError, PeerError
from homecluster.store.model_folder import model_files
from homecluster.store.paths import Paths, paths_from
from tests.fakes.members import FakeMembers

CONTENTS = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": bytes(range(256)) * 9000,
    "empty.txt": b"",
}


HERE = NodeId("here")


def by(handle: Callable[..., Any], home: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Asked by this PC, as its coordinator vouches for it."""
    return handle(home, HERE, body)


def paths(home: Path) -> Paths:
    return paths_from({"HOMECLUSTER_HOME": str(home)})


def let_copy(tmp_path: Path, until_s: float) -> None:
    one = Offer(name="toy", folder=tmp_path / "toy", to=(HERE,), job="toy-1", until_s=until_s)
    offer(paths(tmp_path / "there"), one)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_pull, "RETRY_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def there(tmp_path: Path) -> Path:
    folder = tmp_path / "toy"
    folder.mkdir()
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    let_copy(tmp_path, until_s=time.time() + 600)
    return folder


@pytest.fixture
def members(tmp_path: Path, there: Path) -> FakeMembers:
    assert there.is_dir()
    return FakeMembers(
        homes={"there": paths(tmp_path / "there")},
        handlers={
            "files.list": partial(by, file_share.listed),
            "files.read": partial(by, file_share.read),
            "files.digest": partial(by, file_share.digest),
            "files.done": partial(by, file_share.done),
        },
    )


def pull(tmp_path: Path, members: FakeMembers, *, only_config: bool = False) -> Path:
    source = Source(members=members, node=NodeId("there"), model="toy")
    folder = tmp_path / "here" / "models" / "toy"
    return pull_model(source, folder, only_config=only_config, tell=lambda _: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def reads(members: FakeMembers) -> int:
    return sum(verb == "files.read" for _, verb in members.asked)


def test_every_file_comes_as_it_is_there(tmp_path: Path, there: Path, members: FakeMembers) -> None:
    assert contents(pull(tmp_path, members)) == contents(there)
    before = reads(members)
    let_copy(tmp_path, until_s=time.time() + 600)
    assert pull(tmp_path, members) == tmp_path / "here" / "models" / "toy"
    assert reads(members) == before


def test_who_has_everything_may_copy_no_more(tmp_path: Path, members: FakeMembers) -> None:
    pull(tmp_path, members)
    with pytest.raises(InputError, match="not any more"):
        pull(tmp_path, members)


def test_a_member_that_it_was_not_offered_to_gets_nothing(tmp_path: Path, there: Path) -> None:
    assert there.is_dir()
    with pytest.raises(InputError, match="offers no files"):
        file_share.listed(paths(tmp_path / "there"), NodeId("stranger"), {"model": "toy"})


def test_an_offer_ends_with_its_job(tmp_path: Path, members: FakeMembers) -> None:
    let_copy(tmp_path, until_s=time.time() - 1)  # and no process leads the job toy-1
    with pytest.raises(InputError, match="not any more"):
        pull(tmp_path, members)


def test_only_the_configuration_can_be_asked_for_and_the_rest_later(
    tmp_path: Path, there: Path, members: FakeMembers
) -> None:
    folder = pull(tmp_path, members, only_config=True)
    assert contents(folder) == {"config.json": CONTENTS["config.json"]}
    let_copy(tmp_path, until_s=time.time() + 600)
    assert contents(pull(tmp_path, members)) == contents(there)


def test_after_a_loss_it_goes_on_where_it_stopped(
    tmp_path: Path, there: Path, members: FakeMembers
) -> None:
    honest = members.handlers["files.read"]
    given = 0

    def breaks(home: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
        nonlocal given
        given += 1
        if body["offset"] >= 2 * file_share.CHUNK_BYTES:
            raise PeerError("it went away")
        return honest(home, body)

    members.handlers = {**members.handlers, "files.read": breaks}
    with pytest.raises(PeerError, match="went away"):
        pull(tmp_path, members)
    assert not (tmp_path / "here" / "models" / "toy").exists()
    members.handlers = {**members.handlers, "files.read": honest}
    before = reads(members)
    assert contents(pull(tmp_path, members)) == contents(there)
    whole = -(-len(CONTENTS["model.safetensors"]) // file_share.CHUNK_BYTES)
    assert reads(members) - before <= whole - 1


def test_a_short_loss_only_delays(tmp_path: Path, there: Path, members: FakeMembers) -> None:
    honest, failed = members.handlers["files.read"], []

    def stutters(home: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if body not in failed:
            failed.append(body)
            raise PeerError("no answer in time")
        return honest(home, body)

    members.handlers = {**members.handlers, "files.read": stutters}
    assert contents(pull(tmp_path, members)) == contents(there)


def test_what_comes_damaged_is_never_put_in_place(tmp_path: Path, members: FakeMembers) -> None:
    def lies(home: Paths, body: Mapping[str, Any]) -> Mapping[str, Any]:
        chunk = base64.b64decode(file_share.read(home, HERE, body)["data"])
        return {"data": base64.b64encode(bytes(len(chunk))).decode()}

    members.handlers = {**members.handlers, "files.read": lies}
    with pytest.raises(PeerError, match="came damaged"):
        pull(tmp_path, members)
    assert not (tmp_path / "here" / "models" / "toy").exists()


@pytest.mark.parametrize("name", ["../x.json", "/etc/x.json", "x.bin", ".hidden.json", ""])
def test_a_name_that_leads_elsewhere_is_refused_on_both_sides(
    tmp_path: Path, members: FakeMembers, name: str
) -> None:
    home = paths(tmp_path / "there")
    with pytest.raises(InputError):
        file_share.read(home, HERE, {"model": "toy", "file": name, "offset": 0})
    listed = {"files": [{"name": name, "bytes": 1}]}
    members.handlers = {**members.handlers, "files.list": lambda *_: listed}
    with pytest.raises(PeerError, match="none of a model"):
        pull(tmp_path, members)


def test_a_link_out_of_the_folder_is_neither_listed_nor_read(tmp_path: Path, there: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (there / "out.json").symlink_to(secret)
    (there / "in.json").symlink_to(there / "config.json")
    assert {file.name for file in model_files(there)} == {*CONTENTS, "in.json"}
    home = paths(tmp_path / "there")
    with pytest.raises(InputError, match="no file of this model"):
        file_share.read(home, HERE, {"model": "toy", "file": "out.json", "offset": 0})


def test_the_hubs_cache_is_read_through_its_own_links(tmp_path: Path) -> None:
    repository = tmp_path / "models--o--m"
    (repository / "blobs").mkdir(parents=True)
    (repository / "snapshots" / "1").mkdir(parents=True)
    (repository / "blobs" / "b").write_text("{}")
    snapshot = repository / "snapshots" / "1"
    (snapshot / "config.json").symlink_to("../../blobs/b")
    (tmp_path / "other.json").write_text("{}")
    (snapshot / "other.json").symlink_to(tmp_path / "other.json")
    assert [file.name for file in model_files(snapshot)] == ["config.json"]


def test_what_is_not_offered_is_not_given(tmp_path: Path, members: FakeMembers) -> None:
    source = Source(members=members, node=NodeId("there"), model="other")
    with pytest.raises(InputError, match="offers no files"):
        pull_model(source, tmp_path / "here", only_config=False, tell=lambda _: None)


def test_without_room_nothing_is_begun(
    tmp_path: Path, members: FakeMembers, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    full = usage._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(MissingError, match="is free"):
        pull(tmp_path, members)
    assert reads(members) == 0


def test_a_disk_that_fills_meanwhile_is_given_back_what_the_copy_took(
    tmp_path: Path, members: FakeMembers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    pull(tmp_path, members, only_config=True)
    let_copy(tmp_path, until_s=time.time() + 600)
    monkeypatch.setattr(file_pull, "_take", full)
    with pytest.raises(MissingError, match=r"No space left on device.* removed again"):
        pull(tmp_path, members)
    models = tmp_path / "here" / "models"
    assert sorted(path.name for path in models.iterdir()) == [".partial-toy.lock", "toy"]
    assert [path.name for path in (models / "toy").iterdir()] == ["config.json"]


def test_progress_is_told_in_bytes(tmp_path: Path, members: FakeMembers) -> None:
    told: list[str] = []
    source = Source(members=members, node=NodeId("there"), model="toy")
    pull_model(source, tmp_path / "here", only_config=False, tell=told.append)
    assert told[-1] == "copying toy from there: 2.2 MiB of 2.2 MiB"
