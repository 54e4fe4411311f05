"""The small tools of a gang: free ports, passing connections on, counting bytes, reading a log in pieces."""

import socket
import threading
from pathlib import Path

import pytest

from homecluster.app.gang_share_report import log_since
from homecluster.errors import MissingError
from homecluster.launch.forward import Forwarder
from homecluster.launch.gang_fence import fence_lines, port_lines
from homecluster.launch.gang_ports import free_ports
from homecluster.launch.link_bytes import LinkBytes, read_link_bytes
from tests.ports import unused_port


def test_a_block_of_ports_is_free_and_below_the_kernels_own() -> None:
    first = free_ports("127.0.0.1", 3)
    assert 15_000 <= first < 32_000
    for port in range(first, first + 3):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_an_address_of_another_pc_has_no_ports_here() -> None:
    with pytest.raises(MissingError):
        free_ports("192.0.2.1", 1)


def test_connections_are_passed_on_both_ways_and_their_ends_too(tmp_path: Path) -> None:
    far = tmp_path / "far"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(far))
        listener.listen()
        answering = threading.Thread(target=_answer_in_capitals, args=(listener,))
        answering.start()
        forwarder = Forwarder("127.0.0.1", unused_port(), lambda: str(far))
        try:
            with socket.create_connection(("127.0.0.1", forwarder.port), timeout=30) as near:
                near.sendall(b"hello" * 50_000)
                near.shutdown(socket.SHUT_WR)
                came = b"".join(iter(lambda: near.recv(65536), b""))
        finally:
            forwarder.close()
            answering.join()
    assert came == b"HELLO" * 50_000


def _answer_in_capitals(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        asked = b"".join(iter(lambda: connection.recv(65536), b""))
        connection.sendall(asked.upper())


def test_a_connection_that_cannot_be_passed_on_is_closed(tmp_path: Path) -> None:
    forwarder = Forwarder("127.0.0.1", unused_port(), lambda: str(tmp_path / "nobody"))
    try:
        with socket.create_connection(("127.0.0.1", forwarder.port), timeout=30) as near:
            assert near.recv(1) == b""
    finally:
        forwarder.close()


def test_the_fence_lets_the_gang_in_and_nobody_else() -> None:
    lines = fence_lines("t", ("10.0.0.2", "fd00::3"), (21000,))
    assert "flags owner" in lines[0]
    assert "add element inet t ports { 21000 }" in lines
    assert [line.removeprefix("add rule inet t input ") for line in lines[-4:]] == [
        'iifname "lo" accept',
        "ip saddr { 10.0.0.2 } accept",
        "ip6 saddr { fd00::3 } accept",
        "tcp dport @ports drop",
    ]
    assert port_lines("t", (7, 5)) == ("add element inet t ports { 5, 7 }",)
    assert port_lines("t", ()) == ()


def test_bytes_of_an_interface_are_the_kernels_or_unknown(tmp_path: Path) -> None:
    counters = tmp_path / "eth0" / "statistics"
    counters.mkdir(parents=True)
    (counters / "rx_bytes").write_text("12\n")
    (counters / "tx_bytes").write_text("34\n")
    assert read_link_bytes("eth0", tmp_path) == LinkBytes(received=12, sent=34)
    assert read_link_bytes("eth1", tmp_path) is None


def test_a_log_is_read_in_whole_lines_from_where_one_was(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    assert log_since(log, 0) == ([], 0)
    log.write_text("one\ntwo\nthr")
    assert log_since(log, 0) == (["one", "two"], 8)
    assert log_since(log, 8) == ([], 8)
    log.write_text("one\ntwo\nthree\n")
    assert log_since(log, 8) == (["three"], 14)


def test_a_rotated_log_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("new\n")
    assert log_since(log, 500) == (["new"], 4)


def test_a_line_without_an_end_does_not_stop_the_log(tmp_path: Path) -> None:
    log = tmp_path / "engine.log"
    log.write_text("x" * 40_000)
    lines, place = log_since(log, 0)
    assert (len(lines), place) == (1, 16_000)
