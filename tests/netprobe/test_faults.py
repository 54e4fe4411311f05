"""Whatever stands at the other end: the right failure, in time, and nothing left."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from netprobe.control.messages import Open
from netprobe.errors import MissingError
from netprobe.responder import Responder
from netprobe.runner import FULL, QUICK, probe
from netprobe.runner.client import connected, measuring
from netprobe.types import FailureKind
from tests.netprobe.conftest import TOKEN, children, eventually, listening_ports, serving


def kinds(report):
    return [one.kind for one in report.failures]


def probed(port, **options):
    options.setdefault("plan", QUICK)
    return asyncio.run(probe("127.0.0.1", port, **options))


@contextmanager
def stranger(answer):
    """A TCP service that handles each connection with `answer`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def garbage(connection):
    connection.sendall(os.urandom(512) + b"\n")
    connection.recv(100)
    connection.close()


def silent(connection):
    connection.recv(1)
    time.sleep(30)


def endless(connection):
    try:
        while True:
            connection.sendall(b"x" * 65536)
    except OSError:
        return


def test_a_web_server_is_the_wrong_service():
    class Quiet(BaseHTTPRequestHandler):
        def log_message(self, *_):
            return

    with HTTPServer(("127.0.0.1", 0), Quiet) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        report = probed(web.server_port)
        web.shutdown()
    assert kinds(report) == [FailureKind.WRONG_SERVICE]
    assert report.duration_s < 30


@pytest.mark.parametrize("answer", [garbage, endless])
def test_garbage_is_the_wrong_service(answer):
    with stranger(answer) as port:
        report = probed(port)
    assert kinds(report) == [FailureKind.WRONG_SERVICE]


def test_a_silent_stranger_times_out(monkeypatch):
    monkeypatch.setattr("netprobe.control.handshake.TIMEOUT_S", 0.2)
    with stranger(silent) as port:
        report = probed(port)
    assert kinds(report) == [FailureKind.TIMED_OUT]


def test_a_stranger_that_hangs_up_is_a_lost_peer():
    with stranger(lambda connection: connection.close()) as port:
        report = probed(port)
    assert kinds(report)[0] in {FailureKind.PEER_LOST, FailureKind.WRONG_SERVICE}


def test_a_stranger_with_our_greeting_but_not_our_token_is_unmasked():
    """It sends our own first line back: a proof can be neither reflected nor guessed."""

    def mirror(connection):
        with connection:
            while line := connection.recv(4096):
                connection.sendall(line)

    with stranger(mirror) as port:
        report = probed(port, token=TOKEN)
    assert kinds(report) == [FailureKind.UNAUTHORISED]


def test_nothing_on_the_port_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert kinds(probed(port)) == [FailureKind.REFUSED]


def test_a_name_that_nobody_has_is_an_unknown_host():
    report = asyncio.run(probe("no-such-host.invalid", 1, plan=QUICK))
    assert kinds(report) == [FailureKind.UNKNOWN_HOST]


def test_a_taken_port_is_told_with_a_hint():
    async def scene():
        async with Responder(port=0) as first:
            with pytest.raises(MissingError) as caught:
                await Responder(port=first.port).start()
            return caught.value

    error = asyncio.run(scene())
    assert error.exit_code == 3
    assert "--port" in error.hint


@pytest.mark.parametrize(
    "after_s", [0.2, *(pytest.param(later_s, marks=pytest.mark.slow) for later_s in (0.9, 2.0))]
)
def test_the_far_side_killed_in_mid_probe_is_a_lost_peer(tmp_path, after_s):
    before = set(children(os.getpid()))  # of other tests in this process
    with serving(tmp_path) as (server, port):
        threading.Timer(after_s, server.kill).start()
        report = probed(port, plan=FULL)
    assert FailureKind.PEER_LOST in kinds(report)
    assert report.duration_s < after_s + 30
    assert eventually(lambda: set(children(os.getpid())) <= before)


@pytest.mark.parametrize(
    "after_s", [0.0, *(pytest.param(later_s, marks=pytest.mark.slow) for later_s in (1.2, 4.0))]
)
def test_an_interrupted_run_leaves_nothing_on_either_side(tmp_path, after_s):
    with serving(tmp_path) as (server, port):
        run = subprocess.Popen(
            [sys.executable, "-m", "netprobe", "run", f"127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run.stderr is not None
        told = run.stderr.readline()  # it is on its way
        time.sleep(after_s)
        run.send_signal(signal.SIGINT)
        told += run.communicate(timeout=60)[1]
        assert run.returncode == 130
        assert "Traceback" not in told
        assert eventually(lambda: listening_ports(server.pid) == {port})
        assert eventually(lambda: children(server.pid) == [])


def test_an_interrupted_server_ends_with_its_tools(tmp_path):
    async def scene(server, port):
        async with connected("127.0.0.1", port, token=None) as client:
            await client.ask(Open(measurement="iperf3", duration_s=30))
            tools = children(server.pid)
            server.send_signal(signal.SIGTERM)
            return tools

    with serving(tmp_path) as (server, port):
        tools = asyncio.run(scene(server, port))
        assert tools
        assert server.wait(60) == 0
        assert eventually(lambda: not any(Path(f"/proc/{tool}").exists() for tool in tools))


def test_a_killed_server_takes_its_tools_along(tmp_path):
    async def scene(server, port):
        async with connected("127.0.0.1", port, token=None) as client:
            await client.ask(Open(measurement="iperf3", duration_s=30))
            tools = children(server.pid)
            server.kill()
            return tools

    with serving(tmp_path) as (server, port):
        tools = asyncio.run(scene(server, port))
        assert tools
        assert eventually(lambda: not any(Path(f"/proc/{tool}").exists() for tool in tools))


def fake_iperf3(tmp_path, script):
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    tool = folder / "iperf3"
    tool.write_text(
        f'#!/bin/sh\ncase "$*" in --version) echo "iperf 3.99"; exit;; esac\n{script}\n'
    )
    tool.chmod(0o755)
    return f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin"


@pytest.mark.slow
@pytest.mark.parametrize(
    "script", ["echo junk", "exit 1", "sleep 60", "yes '[' | head -c 20000000"]
)
def test_a_mad_iperf3_at_the_far_side_is_replaced_in_time(tmp_path, script):
    path = fake_iperf3(tmp_path, script)
    with serving(tmp_path, env={"PATH": path}) as (server, port):
        report = probed(port, plan=FULL)
        assert {*kinds(report)} <= {FailureKind.TOOL_FAILED, FailureKind.TIMED_OUT}
        assert report.throughput.tool == "builtin"
        assert report.throughput.forward_bytes_per_s > 0
        assert report.duration_s < 90
        assert eventually(lambda: children(server.pid) == [])


@pytest.mark.slow
def test_a_mad_iperf3_here_is_replaced_in_time(tmp_path, monkeypatch):
    with serving(tmp_path) as (_, port):
        monkeypatch.setenv("PATH", fake_iperf3(tmp_path, "echo '{\"end\": 3}'"))
        report = probed(port, plan=FULL)
    assert report.throughput.tool == "builtin"
    assert FailureKind.TOOL_FAILED in kinds(report)


@pytest.mark.slow
def test_without_iperf3_the_built_in_stream_measures_and_says_how_to_get_it(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with serving(tmp_path, env={"PATH": str(empty)}) as (_, port):
        report = probed(port, plan=FULL)
    assert kinds(report) == [FailureKind.TOOL_MISSING]
    assert "apt install iperf3" in report.failures[0].detail
    assert report.throughput.tool == "builtin"


def test_a_measuring_port_turns_away_who_has_no_cookie():
    async def scene():
        async with (
            Responder(port=0) as far,
            connected("127.0.0.1", far.port, token=None) as client,
            measuring(client, "sink", 1.0) as sink,
        ):
            reader, writer = await asyncio.open_connection(*sink.remote[:2])
            writer.write(b"0" * 16)
            turned_away = await asyncio.wait_for(reader.read(), 3)
            writer.close()
            return turned_away

    assert asyncio.run(scene()) == b""


def test_a_measuring_port_is_closed_when_its_caller_goes(tmp_path):
    async def scene(port):
        async with connected("127.0.0.1", port, token=None) as client:
            await client.ask(Open(measurement="sink", duration_s=60))
            await client.ask(Open(measurement="echo_udp", duration_s=60))

    with serving(tmp_path) as (server, port):
        asyncio.run(scene(port))
        assert eventually(lambda: listening_ports(server.pid) == {port})


def test_an_unproved_caller_is_dropped_and_never_opens_a_port(tmp_path, token_file):
    with serving(tmp_path, "--token-file", str(token_file), "--bind", "127.0.0.1") as (
        server,
        port,
    ):
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.settimeout(10)
            caller.sendall(b'{"verb":"open","measurement":"sink","duration_s":5}\n' * 50)
            assert caller.recv(4096) == b""
        assert listening_ports(server.pid) == {port}


@pytest.mark.slow
def test_a_flood_of_silent_callers_does_not_keep_an_honest_one_out(tmp_path):
    with serving(tmp_path) as (_, port):
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
        time.sleep(6)  # the handshake's deadline frees the places
        report = probed(port)
        for one in silent:
            one.close()
    assert report.round_trip is not None
    assert report.throughput is not None


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    with serving(tmp_path) as (_, port):
        jumps = iter(range(10**6))
        monkeypatch.setattr(time, "time", lambda: next(jumps) * -86400.0)
        report = probed(port)
    assert kinds(report) == []
    assert 0 < report.duration_s < 30
