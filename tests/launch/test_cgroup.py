import subprocess
import sys
import uuid

import pytest

from homecluster.launch import cgroup

SLEEPER = "import os, time\nfor _ in range(3): os.fork()\nos.setsid() if os.getpgid(0) != os.getpid() else None\ntime.sleep(60)"


def test_one_write_ends_every_process_of_a_group() -> None:
    group = cgroup.make_group(f"homecluster-test-{uuid.uuid4().hex[:8]}")
    if group is None:
        pytest.skip("no cgroup of version 2 may be made here")
    try:
        first = subprocess.Popen(
            [sys.executable, "-c", SLEEPER],
            preexec_fn=lambda: cgroup.enter_group(group),  # noqa: PLW1509 - no threads here
        )
        while len(cgroup.members(group)) < 8:
            assert first.poll() is None
        assert cgroup.kill_group(group, 5.0)
        assert first.wait(60) == -9
        assert cgroup.members(group) == ()
    finally:
        cgroup.kill_group(group, 5.0)
        cgroup.remove_group(group)
    assert not group.exists()


def test_a_group_that_is_gone_has_no_members_and_removing_it_again_is_harmless(tmp_path) -> None:
    assert cgroup.members(tmp_path / "gone") == ()
    cgroup.remove_group(tmp_path / "gone")
