import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from netprobe.control.channel import connect
from netprobe.control.handshake import Hello
from netprobe.control.messages import Onward, Open, Ticket, failure_in
from netprobe.probes.trouble import ProbeError
from netprobe.report import parse_report
from netprobe.responder import Responder
from netprobe.runner import QUICK, onward, probe
from netprobe.runner.client import connected
from netprobe.types import FailureKind
from tests.netprobe.conftest import (
    TOKEN,
    children,
    eventually,
    listening_addresses,
    listening_ports,
    serving,
)


def run_cli(*argv, **options):
    return subprocess.run(
        [sys.executable, "-m", "netprobe", *argv],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def test_a_quick_probe_has_round_trip_throughput_and_packet_size(tmp_path, token_file):
    with serving(tmp_path, "--token-file", str(token_file), "--bind", "127.0.0.1") as (
        server,
        port,
    ):
        done = run_cli(
            "run", f"127.0.0.1:{port}", "--quick", "--json", "--token-file", str(token_file)
        )
        assert done.returncode == 0, done.stderr
        report = parse_report(json.loads(done.stdout))
        assert report.failures == ()
        assert report.round_trip is not None
        assert report.round_trip.p50_s > 0
        assert report.round_trip.lost == 0
        assert report.throughput is not None
        assert report.throughput.forward_bytes_per_s
        assert report.throughput.back_bytes_per_s
        assert report.throughput.tool == "builtin"
        assert report.mtu_bytes is not None
        assert report.mtu_bytes > 1500  # of the loopback
        assert eventually(lambda: listening_ports(server.pid) == {port})


@pytest.mark.slow
def test_a_full_probe_uses_iperf3_and_leaves_nothing_behind(tmp_path):
    with serving(tmp_path) as (server, port):
        done = run_cli("run", f"127.0.0.1:{port}", "--json")
        assert done.returncode == 0, done.stderr
        report = parse_report(json.loads(done.stdout))
        assert report.throughput is not None
        assert report.throughput.tool.startswith("iperf3 3.")
        assert report.throughput.congestion_control
        assert report.loaded_round_trip is not None
        assert report.loaded_round_trip.grade
        assert [point.size_bytes for point in report.exchange] == [
            *(64, 256, 1024, 4096, 16384, 65536, 262144, 1048576)
        ]
        assert report.idle_first_packet_s
        assert "throughput_forward_bytes_per_s" in report.samples
        assert eventually(lambda: listening_ports(server.pid) == {port})
        assert children(server.pid) == []


def test_without_a_token_it_says_that_anyone_may_measure_and_binds_loopback_only(tmp_path):
    with serving(tmp_path) as (server, _):
        assert "anyone" in server.stderr.readline()
        assert listening_addresses(server.pid) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("ours", "theirs"), [(None, TOKEN), (b"another token", TOKEN), (TOKEN, None)]
)
def test_without_the_same_token_nothing_is_measured(ours, theirs):
    async def scene():
        async with Responder(port=0, token=theirs) as far:
            return await probe("127.0.0.1", far.port, token=ours, plan=QUICK)

    report = asyncio.run(scene())
    assert [one.kind for one in report.failures] == [FailureKind.UNAUTHORISED]
    assert report.round_trip is None
    assert report.throughput is None


def test_a_ticket_lets_in_once():
    async def scene():
        async with Responder(port=0, token=TOKEN) as far:
            async with connected("127.0.0.1", far.port, token=TOKEN) as client:
                ticket = str((await client.ask(Ticket()))["ticket"])
            first = await probe("127.0.0.1", far.port, ticket=ticket, plan=QUICK)
            again = await probe("127.0.0.1", far.port, ticket=ticket, plan=QUICK)
            return first, again

    first, again = asyncio.run(scene())
    assert first.round_trip is not None
    assert [one.kind for one in again.failures] == [FailureKind.UNAUTHORISED]


@pytest.mark.parametrize("shown", [{}, {"proof": None}, {"proof": ""}, {"proof": "0" * 64}])
@pytest.mark.parametrize("secret", ["token", "none", "ticket:x", ""])
def test_who_names_a_secret_and_does_not_prove_it_is_refused(secret, shown):
    hello = Hello(oldest=1, newest=1, nonce=bytes(32), secret=secret)

    async def scene():
        async with Responder(port=0, token=TOKEN) as far:
            channel = await connect("127.0.0.1", far.port, limit_bytes=100_000, timeout_s=30)
            await channel.send(hello.document(), 30)
            await channel.receive(30)
            await channel.send(shown, 30)
            answer = await channel.receive(30)
            await channel.close()
            return answer

    failure = failure_in(asyncio.run(scene()), "")
    assert failure is not None
    assert failure.kind is FailureKind.UNAUTHORISED


def test_a_ticket_ends(monkeypatch):
    monkeypatch.setattr("netprobe.responder.server.TICKET_S", 0.0)

    async def scene():
        async with Responder(port=0, token=TOKEN) as far:
            return await probe("127.0.0.1", far.port, ticket=far.ticket(), plan=QUICK)

    assert [one.kind for one in asyncio.run(scene()).failures] == [FailureKind.UNAUTHORISED]


def test_more_tickets_than_anybody_needs_are_not_given_out():
    responder = Responder(port=0, token=TOKEN)
    given = {responder.ticket() for _ in range(64)}
    assert len(given) == 64
    with pytest.raises(ProbeError) as caught:
        responder.ticket()
    assert caught.value.kind is FailureKind.BUSY


def test_one_host_probes_another_on_behalf_of_a_third():
    async def scene():
        async with (
            Responder(port=0, token=TOKEN, onward=onward) as a,
            Responder(port=0, token=b"the token of b") as b,
            connected("127.0.0.1", a.port, token=TOKEN) as to_a,
            connected("127.0.0.1", b.port, token=b"the token of b") as to_b,
        ):
            ticket = str((await to_b.ask(Ticket()))["ticket"])
            request = Onward(host="127.0.0.1", port=b.port, ticket=ticket, plan="quick")
            answer: Mapping[str, Any] = await to_a.ask(request, 30.0)
            return parse_report(answer["report"])

    report = asyncio.run(scene())
    assert report.round_trip is not None
    assert report.throughput is not None


def test_while_one_measures_the_next_is_told_who():
    async def scene():
        async with Responder(port=0) as far, connected("127.0.0.1", far.port, token=None) as first:
            await first.ask(Open(measurement="echo_udp", duration_s=5))
            async with connected("127.0.0.1", far.port, token=None) as second:
                with pytest.raises(ProbeError) as caught:
                    await second.ask(Open(measurement="echo_udp", duration_s=5))
                return caught.value

    error = asyncio.run(scene())
    assert error.kind is FailureKind.BUSY
    assert "127.0.0.1" in error.detail


def test_progress_goes_to_stderr_and_only_the_document_to_stdout(tmp_path):
    with serving(tmp_path) as (_, port):
        done = run_cli("run", f"127.0.0.1:{port}", "--quick", "--json")
    json.loads(done.stdout)
    assert "throughput" in done.stderr
