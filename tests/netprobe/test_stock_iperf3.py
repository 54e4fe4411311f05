"""Our iperf3 ends talk to stock ones: the client to `iperf3 -s`, the server to `iperf3 -c`."""

import asyncio
import json
import shutil
import subprocess

import pytest

from netprobe.probes import iperf3
from tests.netprobe.conftest import eventually, listening_ports
from tests.ports import unused_port

pytestmark = pytest.mark.skipif(shutil.which("iperf3") is None, reason="iperf3 is not installed")

HOST = "127.0.0.1"


@pytest.mark.parametrize("back", [False, True])
def test_our_client_measures_against_a_stock_server(back):
    port = unused_port(HOST)
    stock = subprocess.Popen(
        ["iperf3", "-s", "-1", "-B", HOST, "-p", str(port)], stdout=subprocess.DEVNULL
    )
    try:
        assert eventually(lambda: port in listening_ports(stock.pid))
        seen = asyncio.run(iperf3.client((HOST, 0), (HOST, port), duration_s=1, back=back))
    finally:
        stock.terminate()
        stock.wait(60)

    assert seen.error is None
    assert seen.received_bytes_per_s


def test_a_stock_client_measures_against_our_server():
    async def scene():
        async with iperf3.server((HOST, 0), (HOST, 0)) as ours:
            stock = await asyncio.create_subprocess_exec(
                "iperf3", "-c", HOST, "-p", str(ours.port), "-t", "1", "-J",
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            theirs, seen = await asyncio.gather(stock.communicate(), ours.run(10))
            return json.loads(theirs[0]), seen

    theirs, seen = asyncio.run(scene())

    received = theirs["end"]["sum_received"]["bits_per_second"] / 8
    assert seen.received_bytes_per_s == pytest.approx(received, rel=0.5)
