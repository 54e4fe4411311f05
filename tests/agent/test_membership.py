"""PCs join by token, ask each other, and are put out: real agents on loopback."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace

import pytest

from homecluster.agent.introduce import ask_who
from homecluster.agent.local import COORDINATOR
from homecluster.agent.messages import Ask
from homecluster.agent.tokens import parse_token
from homecluster.agent.verbs import Asked, Body, Verb
from homecluster.app.backup import make_backup, take_over
from homecluster.app.join import create_cluster, join_cluster
from homecluster.app.leave import leave
from homecluster.app.link_watch import WATCH_FILE
from homecluster.app.live_cluster import LIVE_FILE
from homecluster.domain.ids import NodeId
from homecluster.domain.job import JobId, LaunchSpec
from homecluster.domain.member import Health, Role
from homecluster.errors import InputError, LaunchError, MissingError, PeerError
from homecluster.store.cluster_state import read_state
from homecluster.store.job_store import JobFolder, Launch, write_launch
from tests.agent.town import Pc, Town
from tests.ports import unused_port
from tests.waiting import within

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def test_members_see_each_other_and_ask_through_the_coordinator(town: Town) -> None:
    a = town.coordinator()
    b, c = town.member("b", a), town.member("c", a)

    assert [(m.node, m.health, m.is_here) for m in c.local.members()] == [
        (A, Health.ALIVE, False),
        (B, Health.ALIVE, False),
        (C, Health.ALIVE, True),
    ]
    assert c.local.ask(B, "agent.look", {}, deadline_s=30)["node"] == "b"
    assert b.local.ask(A, "agent.echo", {"echo": 7}, deadline_s=30) == {"echo": 7}
    assert a.local.ask(C, "agent.echo", {"echo": [1]}, deadline_s=30) == {"echo": [1]}


def test_the_interface_of_each_connection_is_known(town: Town) -> None:
    a = town.coordinator()
    town.member("b", a)

    assert [m.interface for m in a.local.members()] == ["lo", "lo"]


def test_an_expected_no_keeps_its_class_message_and_hint_over_the_wire(town: Town) -> None:
    def no(asked: Asked, body: Body) -> Body:
        del asked, body
        raise LaunchError("it did not start", hint="read the log")

    verbs = (Verb(name="test.no", needs=Role.WORKER, handle=no),)
    a = town.coordinator(verbs=verbs)
    town.member("b", a, verbs=verbs)

    with pytest.raises(LaunchError, match="did not start") as caught:
        a.local.ask(B, "test.no", {}, deadline_s=30)

    assert caught.value.hint == "read the log"


def test_our_bug_in_a_handler_ends_the_request_and_nothing_else(town: Town) -> None:
    def bug(asked: Asked, body: Body) -> Body:
        del asked, body
        raise ZeroDivisionError

    def unsendable(asked: Asked, body: Body) -> Body:
        del asked, body
        return {"x": "y" * 2_000_000}

    verbs = (
        Verb(name="test.bug", needs=Role.WORKER, handle=bug),
        Verb(name="test.big", needs=Role.WORKER, handle=unsendable),
    )
    a = town.coordinator(verbs=verbs)
    town.member("b", a, verbs=verbs)

    with pytest.raises(PeerError, match="failed on b") as caught:
        a.local.ask(B, "test.bug", {}, deadline_s=30)
    assert caught.value.hint == "on b, homecluster logs --agent tells why."
    with pytest.raises(PeerError, match="cannot be sent"):
        a.local.ask(B, "test.big", {}, deadline_s=30)
    assert a.local.ask(B, "agent.echo", {"echo": 1}, deadline_s=30) == {"echo": 1}


def test_a_worker_gets_no_token_and_runs_no_operators_verb(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)

    for node, verb, body in (
        (COORDINATOR, "cluster.token", {"role": "worker"}),
        (COORDINATOR, "cluster.revoke", {"node": "b"}),
        (A, "agent.job", {"job": "x"}),
        (A, "test.unknown", {}),
    ):
        with pytest.raises(PeerError):
            b.local.ask(node, verb, body, deadline_s=30)


def test_an_operator_does_on_a_member_what_the_coordinator_does(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a, role="operator")
    town.member("c", b)

    assert b.local.ask(COORDINATOR, "cluster.revoke", {"node": "c"}, deadline_s=30) == {"node": "c"}
    assert [m.node for m in a.local.members()] == [A, B]


def test_a_revoked_member_is_cut_off_and_told(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)

    a.local.ask(COORDINATOR, "cluster.revoke", {"node": "b"}, deadline_s=30)

    within(5, lambda: b.local.status()["was_put_out"])
    with pytest.raises(PeerError, match="put out"):
        b.local.ask(A, "agent.look", {}, deadline_s=30)
    with pytest.raises(PeerError):
        a.local.ask(B, "agent.look", {}, deadline_s=30)


def test_a_member_that_leaves_is_gone_at_once(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)

    b.local.ask(COORDINATOR, "cluster.leave", {}, deadline_s=30)

    assert [m.node for m in a.local.members()] == [A]


def test_a_coordinator_that_leaves_tells_its_members_that_the_cluster_has_ended(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    for name in (LIVE_FILE, WATCH_FILE):
        (b.home / name).write_text("{}")

    told = a.local.ask(COORDINATOR, "cluster.leave", {}, deadline_s=30)
    a.stop()

    assert told == {"node": "a", "told": 1}
    within(30, lambda: b.local.status()["was_put_out"])
    assert b.local.status()["trouble"] == "a, the coordinator, has left: the cluster has ended"
    b.stop()
    leave(b.home, force=True)
    assert not [name for name in (LIVE_FILE, WATCH_FILE) if (b.home / name).exists()]


def test_members_come_back_when_the_coordinator_does(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    before = b.local.members()

    a.stop()
    within(5, lambda: not b.local.status()["connected"])
    assert {m.health for m in b.local.members() if not m.is_here} <= {Health.SUSPECT, Health.ALIVE}
    a.start()

    within(10, lambda: b.local.status()["connected"])
    assert [m.node for m in b.local.members()] == [m.node for m in before]


def test_a_request_waits_for_a_member_that_is_reconnecting(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    b.stop()
    asked: list[object] = []
    asking = threading.Thread(
        target=lambda: asked.append(a.local.ask(B, "agent.echo", {"echo": 1}, deadline_s=60))
    )
    asking.start()

    b.start()
    asking.join(60)

    assert asked == [{"echo": 1}]


def test_two_agents_on_one_folder_are_refused(town: Town) -> None:
    a = town.coordinator()

    with pytest.raises(MissingError, match="another agent runs"):
        a.start()


def test_a_cloned_disk_is_noticed_and_the_first_stays(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    clone = town.pc("clone")
    clone.home.mkdir(parents=True, mode=0o700)
    (clone.home / "agent").mkdir(mode=0o700)
    for file in ("cluster-state", "node.key", "node.crt", "cluster.crt"):
        copied = clone.home / "agent" / file
        copied.write_bytes((b.home / "agent" / file).read_bytes())
        copied.chmod(0o600)

    clone.start()

    within(15, lambda: "same identity" in str(clone.local.status()["trouble"]))
    assert b.local.status()["connected"]


def test_another_pc_takes_over_with_a_backup_and_the_old_one_is_refused(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    make_backup(a.home, town.folder / "backup")
    a.stop()
    town.port = unused_port()
    c = town.pc("c")
    take_over(c.home, town.folder / "backup", name="c", interface=None, port=town.port)
    c.start()
    town.found = (("127.0.0.1", town.port),)

    within(15, lambda: b.local.status()["connected"])
    assert b.local.status()["epoch"] == 2
    assert [m.node for m in b.local.members()] == [C, B]

    c.stop()
    a.start()  # the old coordinator wakes up, and b still knows its address
    within(15, lambda: "of the past" in str(b.local.status()["trouble"]))
    c.start()
    within(15, lambda: b.local.status()["connected"])
    assert b.local.status()["epoch"] == 2


def test_a_stream_reaches_a_job_through_the_members_own_connection(town: Town) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_echo, args=(server,), daemon=True).start()
    a = town.coordinator()
    b = town.member("b", a, role="operator")
    _write_job(b, "job", server.getsockname()[1])

    for asker in (a, b):
        assert len(_through(asker.local.tunnel(B, "job"), b"x" * 300_000)) == 300_000
    with pytest.raises(PeerError, match="no job"):
        a.local.tunnel(B, "other")
    server.close()


def _through(path: str, content: bytes) -> bytes:
    """What comes back from behind the socket after `content` and its end were sent."""
    got = b""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(60)
        client.connect(path)
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        while chunk := client.recv(65536):
            got += chunk
    return got


def _echo(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        while chunk := connection.recv(65536):
            connection.sendall(chunk)
        connection.close()


def _write_job(pc: Pc, job: str, port: int) -> None:
    """A job of that PC, as far as a stream needs one."""
    folder = JobFolder(path=pc.home / "jobs" / job)
    folder.path.mkdir(parents=True)
    spec = LaunchSpec(commands=(), host="127.0.0.1", port=port, served_model="m")
    launch = Launch(
        job_id=JobId(job), created_at="", engine="", model="m", model_folder="", random_weights=True,
        start_limit_s=1.0, spec=spec, tied=False, plan={}, workload={}, cluster_fingerprint=None,
    )  # fmt: skip
    write_launch(folder, launch)


def test_a_name_that_is_taken_gets_a_number(town: Town) -> None:
    a = town.coordinator()
    second = town.pc("second")
    token = parse_token(town.token(a))
    introduction = ask_who("127.0.0.1", town.port)

    state = join_cluster(second.home, token, introduction, name="a", interface=None)

    assert state.node == "a-2"


def test_the_same_pc_may_repeat_a_join_whose_answer_was_lost(town: Town) -> None:
    a = town.coordinator()
    b = town.pc("b")
    token = parse_token(town.token(a))
    introduction = ask_who("127.0.0.1", town.port)
    first = join_cluster(b.home, token, introduction, name="b", interface=None)
    b.folder.state.unlink()  # as if the PC had died before it wrote

    again = join_cluster(b.home, token, introduction, name="b", interface=None)

    assert again == first
    assert len([m for m in a.local.members() if m.node == "b"]) == 1


def test_a_pc_is_in_one_cluster_at_most(town: Town) -> None:
    a = town.coordinator()

    with pytest.raises(InputError, match="already"):
        create_cluster(a.home, name="x", interface=None, port=1)
    assert read_state(a.folder.state) is not None


def test_a_member_is_told_where_its_coordinator_is_now(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    make_backup(a.home, town.folder / "backup")
    a.stop()
    town.port = unused_port()
    c = town.pc("c")
    take_over(c.home, town.folder / "backup", name="c", interface=None, port=town.port)
    c.start()

    b.local.remember("127.0.0.1", town.port)

    within(15, lambda: b.local.status()["connected"])


def test_two_members_may_use_the_same_request_id(town: Town) -> None:
    a = town.coordinator()
    b, c = town.member("b", a), town.member("c", a)

    answers = [
        town.do(
            pc.its_agent.ask(
                Ask(id="1", to=A, verb="agent.echo", body={"echo": pc.home.name}, deadline_s=30)
            )
        ).body
        for pc in (b, c)
    ]

    assert answers == [{"echo": "b"}, {"echo": "c"}]


def test_a_request_id_acts_once_and_is_not_taken_for_another_request(town: Town) -> None:
    done: list[object] = []

    def count(asked: Asked, body: Body) -> Body:
        del asked
        done.append(body["n"])
        return {"done": len(done)}

    verbs = (Verb(name="test.count", needs=Role.WORKER, handle=count),)
    a = town.coordinator(verbs=verbs)
    b = town.member("b", a, verbs=verbs)
    first = Ask(id="1", to=A, verb="test.count", body={"n": 1}, deadline_s=30)

    answers = [town.do(b.its_agent.ask(first)) for _ in range(3)]
    other = town.do(b.its_agent.ask(replace(first, body={"n": 2})))

    assert [answer.body for answer in answers] == [{"done": 1}] * 3
    assert other.error == "input"
    assert done == [1]


def test_a_full_disk_refuses_changes_and_keeps_everything_else_going(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = town.coordinator()
    b = town.member("b", a, role="operator")

    def full(path: object, state: object) -> None:
        del path, state
        raise MissingError("cannot write: no space left")

    monkeypatch.setattr("homecluster.agent.keeper.write_state", full)

    with pytest.raises(MissingError, match="no space left"):
        b.local.ask(COORDINATOR, "cluster.token", {"role": "worker"}, deadline_s=30)
    with pytest.raises(MissingError):
        a.local.ask(COORDINATOR, "cluster.revoke", {"node": "b"}, deadline_s=30)
    b.stop()
    b.start()  # reconnects although it cannot remember the address anew
    within(10, lambda: b.local.status()["connected"])
    assert b.local.ask(A, "agent.echo", {"echo": 1}, deadline_s=30) == {"echo": 1}
    assert [m.node for m in a.local.members()] == [A, B]
