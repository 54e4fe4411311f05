"""Each emulated PC has what is its own, and commands in it behave as on a PC."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.control import LabError
from tests.lab.guest import ROOT
from tests.lab.lab import Lab

pytestmark = pytest.mark.lab


def text(lab: Lab, host: str, line: str) -> str:
    done = lab.host(host).run(["sh", "-c", line])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_host_knows_its_own_name_and_address(gigabit: Lab) -> None:
    assert text(gigabit, "b", "hostname") == "b"
    assert text(gigabit, "b", "cat /etc/hostname") == "b"
    assert gigabit.host("b").address == "10.77.0.3"
    assert "10.77.0.3/24" in text(gigabit, "b", "ip -br addr show eth0")
    assert text(gigabit, "b", "getent hosts b a").split()[::2] == ["10.77.0.3", "10.77.0.2"]


def test_shared_memory_of_one_host_is_not_seen_by_another(gigabit: Lab) -> None:
    text(gigabit, "a", "echo 1 > /dev/shm/mine")
    assert text(gigabit, "a", "ls /dev/shm") == "mine"
    assert text(gigabit, "b", "ls /dev/shm") == ""
    assert not Path("/dev/shm/mine").exists()


def test_a_host_has_its_own_home_temporary_folder_and_machine_id(gigabit: Lab) -> None:
    text(gigabit, "a", "echo hello > ~/note; mktemp")
    a, b = gigabit.host("a"), gigabit.host("b")
    assert (a.home / "note").read_text() == "hello\n"
    assert list(b.home.iterdir()) == []
    assert text(gigabit, "a", "mktemp").startswith(str(a.folder))
    ids = {text(gigabit, host, "cat /etc/machine-id") for host in "abc"}
    assert len(ids) == 3


def test_a_host_sees_only_its_own_processes_and_interfaces(gigabit: Lab) -> None:
    with gigabit.host("a").running(["sleep", "97"]) as sleeper:
        wait_until(lambda: "sleep 97" in text(gigabit, "a", "ps -eo args"))
        assert "sleep 97" not in text(gigabit, "b", "ps -eo args")
        sleeper.kill()
    assert text(gigabit, "a", "ls /sys/class/net").split() == ["eth0", "lo"]


def test_the_exit_code_comes_back(gigabit: Lab) -> None:
    assert gigabit.host("a").run(["sh", "-c", "exit 7"]).returncode == 7
    missing = gigabit.host("a").run(["no-such-tool"])
    assert missing.returncode == 127
    assert "no-such-tool" in missing.stderr


def test_the_working_folder_is_the_callers(gigabit: Lab, tmp_path: Path) -> None:
    done = gigabit.host("a").run(["pwd"], cwd=tmp_path)
    assert done.stdout.strip() == str(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_the_command_and_shows_in_its_return_code(
    gigabit: Lab, number: signal.Signals
) -> None:
    with gigabit.host("a").running(["sleep", "98"]) as process:
        wait_until(lambda: "sleep 98" in text(gigabit, "a", "ps -eo args"))
        process.send_signal(number)
        assert process.wait(60) == -number
    wait_until(lambda: "sleep 98" not in text(gigabit, "a", "ps -eo args"))


def test_a_command_gets_an_interrupt_exactly_once(gigabit: Lab) -> None:
    counting = (
        "import signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "print('ready', flush=True)\n"
        "end = time.monotonic() + 2\n"
        "while time.monotonic() < end: time.sleep(0.05)\n"
        "print(len(seen))\n"
    )
    command = [sys.executable, "-c", counting]
    with gigabit.host("a").running(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "1\n"


def test_a_timeout_leaves_no_command_behind(gigabit: Lab) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        gigabit.host("a").run(["sleep", "99"], timeout=0.5)
    wait_until(lambda: "sleep 99" not in text(gigabit, "a", "ps -eo args"))


def test_orphans_are_reaped_in_the_host(gigabit: Lab) -> None:
    text(gigabit, "a", "(sleep 0.1 &) ; true")
    time.sleep(0.3)
    wait_until(lambda: " 1 Z" not in text(gigabit, "a", "ps -eo ppid,stat --no-headers"))


def test_the_printed_shell_line_enters_the_host(gigabit: Lab) -> None:
    line = gigabit.host("c").shell_line("sh -c 'hostname; echo $HOME; ip -br a'")
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    name, home, *interfaces = done.stdout.splitlines()
    assert (name, home) == ("c", str(gigabit.host("c").home))
    assert any("10.77.0.4/24" in each for each in interfaces)


def test_tcp_between_hosts_runs_cubic_whatever_the_machine_runs(gigabit: Lab) -> None:
    assert _iperf_congestion_control(gigabit) == "cubic"


@pytest.mark.usefixtures("_lab_possible")
def test_another_congestion_control_can_be_asked_for() -> None:
    with Lab("1gbe", hosts=2, congestion_control="reno") as lab:
        assert _iperf_congestion_control(lab) == "reno"


def _iperf_congestion_control(lab: Lab) -> str:
    with lab.host("b").running(["iperf3", "-s", "-1"], stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: ":5201" in text(lab, "b", "ss -ltn"))
        done = lab.host("a").run(["iperf3", "-c", lab.host("b").address, "-n", "100K", "--json"])
        server.wait(60)
    return str(json.loads(done.stdout)["end"]["sender_tcp_congestion"])


@pytest.mark.usefixtures("_lab_possible")
def test_a_host_with_a_quarter_of_a_core_is_four_times_slower() -> None:
    """0.3 CPU seconds take at least 1.2 s less the first period's quota; alone about 0.3 s."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    with Lab("1gbe", hosts=2, cpu_cores={"a": 0.25}) as lab:
        if lab.host("a").cgroup is None:
            pytest.skip("this machine offers no cgroup CPU controller")
        took_s = _seconds(lab, "a", burn)
        assert took_s > 1.0
        lab.set_cpu_cores("a", 1.0)
        assert min(_seconds(lab, "a", burn) for _ in range(3)) < 0.75 * took_s


def _seconds(lab: Lab, host: str, program: str) -> float:
    start_s = time.monotonic()
    lab.host(host).run([sys.executable, "-S", "-c", program], check=True)
    return time.monotonic() - start_s


@pytest.mark.usefixtures("_lab_possible")
def test_a_crashed_host_falls_silent_and_the_others_go_on() -> None:
    with Lab("1gbe", hosts=3) as lab:
        with lab.host("b").running(["sleep", "96"]) as victim:
            time.sleep(0.2)
            lab.crash("b")
            assert victim.wait(60) == -signal.SIGKILL
        assert _pings(lab, "a", "10.77.0.4")
        assert not _pings(lab, "a", "10.77.0.3")


def _pings(lab: Lab, source: str, address: str) -> bool:
    return lab.host(source).run(["ping", "-c1", "-W1", address]).returncode == 0


@pytest.mark.usefixtures("_lab_possible")
def test_two_labs_run_side_by_side() -> None:
    with Lab("1gbe", hosts=2) as one, Lab("100mbe", hosts=2) as two:
        assert one.folder != two.folder
        assert _pings(one, "a", "10.77.0.3")
        assert _pings(two, "a", "10.77.0.3")


@pytest.mark.usefixtures("_lab_possible")
def test_a_lab_that_cannot_start_says_why_and_leaves_nothing() -> None:
    with (
        pytest.raises(LabError, match="congestion"),
        Lab("1gbe", congestion_control="no-such-control"),
    ):
        pass


@pytest.mark.usefixtures("_lab_possible")
def test_the_shell_command_runs_a_line_in_a_host_and_returns_its_code() -> None:
    argv = [sys.executable, "-m", "tests.lab", "hotspot", "--on", "b", "--run", "hostname; exit 5"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout, done.returncode) == ("b\n", 5)


@pytest.mark.parametrize("arguments", [["palace"], [], ["hotspot", "--cpu", "a"], ["change", "z"]])
def test_the_shell_command_refuses_nonsense_without_a_traceback(arguments: list[str]) -> None:
    argv = [sys.executable, "-m", "tests.lab", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in (2, 3)
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def wait_until(condition: object, *, patience_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + patience_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "it did not come true in time"
        time.sleep(0.05)
