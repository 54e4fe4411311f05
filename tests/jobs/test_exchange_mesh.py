import random
import socket
import threading
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.jobs.vllm_plugin.frames import DTYPES, HEADER_BYTES, OPERATIONS, Frame, parse
from homecluster.jobs.vllm_plugin.trouble import ExchangeError
from tests.jobs.exchange_group import meshes, pair, together

SOON_S = 0.2


def frame(**changes: Any) -> Frame:
    facts: dict[str, Any] = {
        "operation": "all-reduce",
        "dtype": "uint8",
        "payload_bytes": 4,
        "sequence": 0,
    }
    return Frame(**(facts | changes))


@given(
    st.builds(
        Frame,
        operation=st.sampled_from(OPERATIONS),
        dtype=st.sampled_from(DTYPES),
        payload_bytes=st.integers(0, 2**40),
        sequence=st.integers(0, 2**63),
    )
)
def test_a_header_says_its_frame(some: Frame) -> None:
    assert len(some.header()) == HEADER_BYTES
    assert parse(some.header()) == some


@given(st.binary(min_size=HEADER_BYTES, max_size=HEADER_BYTES))
def test_other_bytes_are_refused_or_are_a_header(content: bytes) -> None:
    try:
        got = parse(content)
    except ExchangeError:
        return
    assert got.header() == content


@settings(max_examples=10)
@given(
    ranks=st.integers(2, 4),
    sizes=st.lists(st.sampled_from([0, 1, 7, 1536, 65_536, 400_000]), min_size=1, max_size=4),
)
def test_all_receive_what_all_sent_message_after_message(ranks: int, sizes: list[int]) -> None:
    """400 000 bytes both ways at once fill the sockets' buffers: nobody may wait to send first."""
    group = meshes(ranks)
    messages = [[random.Random(rank * 99 + i).randbytes(size) for i, size in enumerate(sizes)] for rank in range(ranks)]  # fmt: skip

    def run(mesh) -> bool:
        for index in range(len(sizes)):
            parts = mesh.swap("all-gather", "uint8", messages[mesh.rank][index])
            assert parts.keys() == set(range(ranks)) - {mesh.rank}
            assert all(part == messages[peer][index] for peer, part in parts.items())
        return True

    assert together([partial(run, mesh) for mesh in group]) == [True] * ranks
    for mesh in group:
        mesh.close()


def test_a_gather_goes_to_one_rank_only() -> None:
    group = meshes(3)

    def run(mesh):
        own = bytes([mesh.rank])
        if mesh.rank == 1:
            return {
                peer: bytes(part) for peer, part in mesh.swap("gather", "uint8", own, to=()).items()
            }
        return dict(mesh.swap("gather", "uint8", own, to=(1,), of=()))

    assert together([partial(run, mesh) for mesh in group]) == [
        {},
        {0: b"\0", 2: b"\2"},
        {},
    ]
    for mesh in group:
        mesh.close()


def test_a_rank_may_run_ahead_by_what_the_sockets_hold() -> None:
    mesh, far = pair()
    far.sendall(b"".join(frame(sequence=n).header() + bytes([n]) * 4 for n in range(3)))
    for n in range(3):
        assert mesh.swap("all-reduce", "uint8", b"mine")[1] == bytes([n]) * 4
    mesh.close()


def test_a_message_may_come_byte_by_byte() -> None:
    mesh, far = pair()
    words = frame().header() + b"slow"

    def drip() -> None:
        for byte in words:
            far.sendall(bytes([byte]))

    sender = threading.Thread(target=drip)
    sender.start()
    assert bytes(mesh.swap("all-reduce", "uint8", b"mine")[1]) == b"slow"
    sender.join()
    mesh.close()


def test_a_peer_that_hangs_up_ends_the_exchange_at_once() -> None:
    mesh, far = pair()
    far.close()
    with pytest.raises(ExchangeError, match=r"rank 1 (hung up|is lost)"):
        mesh.swap("all-reduce", "uint8", b"mine")
    with pytest.raises(ExchangeError, match=r"the exchange has ended: rank 1"):
        mesh.swap("all-reduce", "uint8", b"mine")


def test_a_peer_that_hangs_up_in_the_middle_is_named() -> None:
    mesh, far = pair()
    far.sendall(frame().header() + b"ha")
    far.shutdown(socket.SHUT_WR)
    with pytest.raises(
        ExchangeError, match="rank 1 hung up before message 0, all-reduce of 4 bytes"
    ):
        mesh.swap("all-reduce", "uint8", b"mine")


def test_a_peer_that_stalls_is_named_when_the_limit_is_over() -> None:
    mesh, far = pair(limit_s=SOON_S)
    far.sendall(frame().header() + b"ha")
    with pytest.raises(ExchangeError, match=r"rank 1 took longer than 0\.2 s over message 0"):
        mesh.swap("all-reduce", "uint8", b"mine")


def test_a_peer_that_reads_nothing_is_named_when_the_limit_is_over() -> None:
    mesh, far = pair(limit_s=SOON_S)
    much = bytes(8_000_000)
    far.sendall(frame(payload_bytes=len(much)).header())
    with pytest.raises(ExchangeError, match=r"rank 1 took longer than 0\.2 s"):
        mesh.swap("all-reduce", "uint8", much)


@pytest.mark.parametrize(
    "theirs", [{"sequence": 1}, {"payload_bytes": 2}, {"dtype": "int8"}, {"operation": "gather"}]
)
def test_ranks_at_different_messages_do_not_add_them_up(theirs: dict[str, object]) -> None:
    mesh, far = pair()
    far.sendall(frame(**theirs).header() + b"ha")
    with pytest.raises(ExchangeError, match=r"rank 1 is at message .*; this rank is at message 0"):
        mesh.swap("all-reduce", "uint8", b"mine")


def test_garbage_from_a_peer_is_no_number() -> None:
    mesh, far = pair()
    far.sendall(bytes(100))
    with pytest.raises(ExchangeError, match="bytes that are no message"):
        mesh.swap("all-reduce", "uint8", b"mine")


@pytest.mark.parametrize("ranks", [3, 4])
def test_when_one_rank_dies_all_others_learn_it(ranks: int) -> None:
    """Each waits for the dead one or for one that has given up; none waits for the limit."""
    group = meshes(ranks)
    group[-1].close()
    results = together([partial(mesh.swap, "all-reduce", "uint8", b"mine") for mesh in group[:-1]])  # fmt: skip
    assert all(isinstance(result, ExchangeError) for result in results), results


def test_a_stall_of_one_ends_all_within_the_limit() -> None:
    """Rank 2 lives but takes no part."""
    group = meshes(3, limit_s=SOON_S)
    results = together([partial(mesh.swap, "all-reduce", "uint8", b"mine") for mesh in group[:-1]])  # fmt: skip
    assert all(isinstance(result, ExchangeError) for result in results), results
    group[-1].close()
