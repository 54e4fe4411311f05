import os
import signal
import subprocess
import sys
from dataclasses import replace

from homecluster.launch.identity import identity_of, is_alive, send_signal


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_this_process_is_alive() -> None:
    me = identity_of(os.getpid())
    assert me is not None
    assert is_alive(me)


def test_a_process_that_took_the_number_later_is_not_signalled() -> None:
    process = sleeper()
    try:
        now = identity_of(process.pid)
        assert now is not None
        earlier = replace(now, start_ticks=now.start_ticks - 1)
        assert not send_signal(earlier, signal.SIGKILL)
        assert not send_signal(replace(now, boot_id="an earlier boot"), signal.SIGKILL)
        assert process.poll() is None
        assert send_signal(now, signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        assert not is_alive(now)
    finally:
        process.kill()


def test_a_zombie_is_not_alive() -> None:
    process = sleeper()
    mark = identity_of(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert mark is not None
    assert not is_alive(mark)
    process.wait()
