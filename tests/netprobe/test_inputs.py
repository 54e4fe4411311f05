import pytest
from hypothesis import given
from hypothesis import strategies as st

from netprobe.cli.inputs import parse_host, read_token
from netprobe.cli.matrix import read_hosts
from netprobe.errors import InputError
from netprobe.types import DEFAULT_PORT


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("desk", "desk", DEFAULT_PORT),
        ("desk:80", "desk", 80),
        ("10.0.0.7:65535", "10.0.0.7", 65535),
        ("fe80::1%eth0", "fe80::1%eth0", DEFAULT_PORT),
        ("[::1]", "::1", DEFAULT_PORT),
        ("[::1]:99", "::1", 99),
    ],
)
def test_a_host_is_read_with_its_port(text, host, port):
    assert parse_host(text) == (host, port)


@given(st.text(max_size=30))
def test_any_text_is_a_host_or_an_input_error(text):
    try:
        host, port = parse_host(text)
    except InputError:
        return
    assert host
    assert 1 <= port <= 65535


def test_a_token_that_others_can_read_is_refused_with_the_remedy(tmp_path):
    path = tmp_path / "token"
    path.write_text("long enough as a token")
    path.chmod(0o644)
    with pytest.raises(InputError) as caught:
        read_token(path)
    assert "chmod 600" in (caught.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"  \n", b"short", b"x" * 5000])
def test_a_token_of_the_wrong_size_is_refused(tmp_path, content):
    path = tmp_path / "token"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError):
        read_token(path)


def test_hosts_are_read_with_names_ports_and_comments(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# ours\ndesk 10.0.0.1\n\n10.0.0.2:99  # no name\n")
    desk, other = read_hosts(path, b"the common token")
    assert (desk.name, desk.address, desk.port) == ("desk", "10.0.0.1", DEFAULT_PORT)
    assert (other.name, other.address, other.port) == ("10.0.0.2:99", "10.0.0.2", 99)
    assert desk.token == b"the common token"


@pytest.mark.parametrize(
    "content", ["", "one\n", "a x\na y\n", "a b c d\n", "a x:0\nb y\n", "a x /no/such/token\nb y\n"]
)
def test_a_hosts_file_that_makes_no_matrix_is_an_input_error(tmp_path, content):
    path = tmp_path / "hosts"
    path.write_text(content)
    with pytest.raises(InputError):
        read_hosts(path, None)
