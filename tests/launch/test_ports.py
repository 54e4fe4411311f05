import socket
from collections.abc import Iterator

import pytest

from homecluster.errors import InputError, MissingError
from homecluster.launch.ports import is_everywhere, is_loopback, usable_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_the_way_out(taken: int) -> None:
    with pytest.raises(MissingError, match=f"port {taken} of 127.0.0.1 is taken") as refused:
        usable_port("127.0.0.1", taken)
    assert "--port 0" in str(refused.value.hint)


def test_port_0_becomes_a_free_one() -> None:
    port = usable_port("127.0.0.1", 0)
    assert usable_port("127.0.0.1", port) == port


def test_an_address_of_another_pc_is_wrong_input() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1 is not an address of this PC"):
        usable_port("192.0.2.1", 8000)
    with pytest.raises(InputError, match="no such address"):
        usable_port("no such host", 8000)


def test_only_loopback_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.4", "desk.local", "")))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "0", "0x0", "0:0::0"])
def test_every_network_is_known_however_it_is_written(host: str) -> None:
    assert is_everywhere(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "a" * 70])
def test_one_address_or_none_is_not_every_network(host: str) -> None:
    assert not is_everywhere(host)


def test_a_name_that_cannot_be_one_is_wrong_input() -> None:
    with pytest.raises(InputError, match="no such address"):
        usable_port("a" * 70, 0)
