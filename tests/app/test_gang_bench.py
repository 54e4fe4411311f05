"""What a gang's links carried while it was measured."""

from pathlib import Path

from homecluster.app.gang_bench import carried, counter_of
from homecluster.launch.link_bytes import LinkBytes
from homecluster.store.gang_store import GangRecord, write_gang
from homecluster.store.job_store import JobFolder
from tests.fakes.gangs import fake_cluster
from tests.fakes.members import FakeMembers


def bytes_of(received: int, sent: int) -> LinkBytes:
    return LinkBytes(received=received, sent=sent)


def test_the_difference_of_two_counts_is_told_for_each_pc() -> None:
    before = {"a": bytes_of(10, 20), "b": bytes_of(1, 2)}
    after = {"a": bytes_of(110, 220), "c": bytes_of(5, 5)}
    assert carried(before, after) == [{"pc": "a", "received": 100, "sent": 200}]


def test_a_job_inside_one_pc_has_no_links(tmp_path: Path) -> None:
    members = FakeMembers({}, {})
    assert counter_of(members, JobFolder(path=tmp_path))() == {}
    assert counter_of(None, JobFolder(path=tmp_path))() == {}


def test_every_pc_of_a_gang_is_counted_but_one_that_does_not_answer(tmp_path: Path) -> None:
    with fake_cluster(tmp_path) as cluster:
        folder = JobFolder(path=tmp_path / "jobs" / "x")
        write_gang(folder, GangRecord(parts=cluster.parts(), forwards=False))
        answers = {
            "share.look": lambda *_: {"received_bytes": 7, "sent_bytes": 8},
        }
        members = FakeMembers(cluster.homes, answers)
        count = counter_of(members, folder)
        assert count() == {"a": bytes_of(7, 8), "b": bytes_of(7, 8)}
        members.cut.add("b")
        assert count() == {"a": bytes_of(7, 8)}
