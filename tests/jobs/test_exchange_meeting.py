import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.jobs.vllm_plugin.handshake import HELLO, NONCE_BYTES, PROOF_BYTES, Ticket
from homecluster.jobs.vllm_plugin.meeting import MOST_STRANGERS, Address, hang_up, meet
from homecluster.jobs.vllm_plugin.trouble import ExchangeError
from tests.jobs.exchange_group import (
    GENEROUS_S,
    HOST,
    TOKEN,
    listeners,
    meshes,
    ticket,
    together,
)
from tests.ports import unused_port

SOON_S = 0.2
WRONG_TOKEN = b"another token of many bytes, no!!"


class Meeting:
    """Rank 0 of two awaits rank 1 in a thread."""

    def __init__(self) -> None:
        self.made, self.addresses = listeners(2)
        self.refusals: list[str] = []
        self._pool = ThreadPoolExecutor(1)
        self._waiting: Future[dict[int, socket.socket]] = self._pool.submit(
            meet, ticket(0, 2), self.made[0], self.addresses,
            limit_s=GENEROUS_S, tell=self.refusals.append,
        )  # fmt: skip

    def stranger(self, words: bytes) -> socket.socket:
        connection = socket.create_connection(self.addresses[0], timeout=GENEROUS_S)
        connection.sendall(words)
        return connection

    def is_met(self) -> None:
        """Now rank 1 comes, and both have a connection."""
        theirs = meet(ticket(1, 2), self.made[1], self.addresses, limit_s=GENEROUS_S)
        ours = self._waiting.result()
        assert (list(ours), list(theirs)) == ([1], [0])
        for connection in (ours[1], theirs[0]):
            hang_up(connection)
        self._pool.shutdown()


def everything_said_to(connection: socket.socket) -> bytes:
    """All bytes until the other side hung up."""
    said = b""
    try:
        while chunk := connection.recv(4096):
            said += chunk
    except ConnectionResetError:
        pass  # it hung up on bytes that it had not read
    finally:
        connection.close()
    return said


def challenge(connection: socket.socket) -> bytes:
    """The listener's nonce and proof."""
    said = b""
    while len(said) < NONCE_BYTES + PROOF_BYTES:
        said += connection.recv(4096)
    return said


@pytest.fixture
def meeting() -> Iterator[Meeting]:
    made = Meeting()
    yield made
    made.is_met()  # whatever happened before


def hello(of: Ticket, nonce: bytes = bytes(NONCE_BYTES)) -> bytes:
    return HELLO + of.group_digest + bytes([of.rank]) + nonce


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_every_rank_meets_every_other(ranks: int) -> None:
    group = meshes(ranks)
    sent = [bytes([rank]) * 8 for rank in range(ranks)]
    received = together(
        [partial(mesh.swap, "all-gather", "uint8", sent[mesh.rank]) for mesh in group]
    )
    for rank, parts in enumerate(received):
        assert not isinstance(parts, Exception), parts
        assert {peer: bytes(part) for peer, part in parts.items()} == {
            peer: sent[peer] for peer in range(ranks) if peer != rank
        }
    for mesh in group:
        mesh.close()


def test_nobody_listens_once_all_have_met() -> None:
    made = Meeting()
    made.is_met()
    assert [listener.fileno() for listener in made.made] == [-1, -1]


def test_the_connector_may_come_before_the_listener() -> None:
    address: Address = (HOST, unused_port())
    late = socket.socket()
    late.bind(address)  # held, but nobody listens
    (spare,), _ = listeners(1)
    tried = threading.Event()

    def come() -> dict[int, socket.socket]:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address, timeout=GENEROUS_S)
        tried.set()
        return meet(ticket(1, 2), spare, [address, (HOST, 1)], limit_s=GENEROUS_S)

    with ThreadPoolExecutor(1) as pool:
        early = pool.submit(come)
        tried.wait(GENEROUS_S)
        late.listen()
        late.settimeout(0.1)
        met = meet(ticket(0, 2), late, [address, (HOST, 1)], limit_s=GENEROUS_S)
        assert (list(met), list(early.result())) == ([1], [0])
        hang_up(met[1])
        hang_up(early.result()[0])


def test_ranks_that_do_not_come_are_named() -> None:
    (first,), addresses = listeners(1)
    with pytest.raises(ExchangeError, match="rank 1 did not come to meet rank 0"):
        meet(ticket(0, 2), first, addresses, limit_s=SOON_S)
    (first,), addresses = listeners(1)
    with pytest.raises(ExchangeError, match="ranks 1, 2 did not come"):
        meet(ticket(0, 3), first, addresses, limit_s=SOON_S)


def test_a_rank_that_nobody_awaits_gives_up_and_says_where_it_tried() -> None:
    (spare,), _ = listeners(1)
    nowhere = (HOST, unused_port())
    with pytest.raises(ExchangeError, match=rf"rank 1 did not meet rank 0 at {HOST} port {nowhere[1]}: "):  # fmt: skip
        meet(ticket(1, 2), spare, [nowhere, nowhere], limit_s=SOON_S)


def test_a_rank_with_a_wrong_token_is_told_so_and_meets_nobody(meeting: Meeting) -> None:
    (spare,), _ = listeners(1)
    wrong = ticket(1, 2, token=WRONG_TOKEN)
    with pytest.raises(ExchangeError, match="does not know the job's token") as caught:
        meet(wrong, spare, meeting.addresses, limit_s=GENEROUS_S)
    assert TOKEN.decode() not in f"{caught.value}{ticket(1, 2)!r}"


def test_a_stranger_with_a_wrong_proof_is_hung_up_on(meeting: Meeting) -> None:
    """Nor does an old proof help: it belongs to other nonces."""
    old_proof = ticket(1, 2).proof(b"connector", 1, 0, bytes(2 * NONCE_BYTES))
    said = everything_said_to(meeting.stranger(hello(ticket(1, 2)) + old_proof))
    assert len(said) == NONCE_BYTES + PROOF_BYTES


def test_a_listeners_proof_is_of_no_use_as_a_connectors(meeting: Meeting) -> None:
    """A stranger that knows no token sends the proof back that it was given."""
    stranger = meeting.stranger(hello(ticket(1, 2)))
    stranger.sendall(challenge(stranger)[NONCE_BYTES:])
    assert everything_said_to(stranger) == b""


def test_a_rank_that_is_not_awaited_is_not_welcomed(meeting: Meeting) -> None:
    """It knows the token, but started with the number of another."""
    wrong = ticket(0, 2)
    double = meeting.stranger(hello(wrong))
    nonces = bytes(NONCE_BYTES) + challenge(double)[:NONCE_BYTES]
    double.sendall(wrong.proof(b"connector", 0, 0, nonces))
    assert everything_said_to(double) == b""


@pytest.mark.parametrize(
    "words",
    [
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n" * 20,
        random.Random(1).randbytes(200),
        hello(ticket(1, 2, group="tp:1")),
        hello(ticket(1, 3)),
    ],
    ids=["http", "noise", "another group", "another size"],
)
def test_who_does_not_belong_here_is_told_nothing(meeting: Meeting, words: bytes) -> None:
    assert everything_said_to(meeting.stranger(words)) == b""


def test_silent_strangers_delay_nobody() -> None:
    meeting = Meeting()
    silent = [meeting.stranger(b"") for _ in range(MOST_STRANGERS // 2)]
    meeting.is_met()
    assert [everything_said_to(each) for each in silent] == [b""] * len(silent)


@settings(max_examples=10)
@given(words=st.binary(max_size=120))
def test_whatever_a_stranger_says_the_ranks_meet(words: bytes) -> None:
    made = Meeting()
    stranger = made.stranger(words)
    made.is_met()
    stranger.close()
