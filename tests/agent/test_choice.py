"""What `join`, `token`, `nodes` and `leave` say before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.folder import AgentFolder, check_secrets, make_folder
from homecluster.agent.introduce import Introduction
from homecluster.app.membership_choice import changed_name, own_name, parse_address, trust_text
from homecluster.errors import InputError, MissingError
from tests.cli.shell import run

TOKEN = f"hc1.{'0' * 64}.{'1' * 10}.{'2' * 40}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def secret(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "token"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_outside_of_a_cluster_every_verb_says_how_to_get_in(home: Path) -> None:
    del home
    for ran in (run("nodes"), run("token"), run("revoke", "b"), run("leave")):
        assert (ran.code, "homecluster join" in ran.err) == (3, True), ran.err


def test_a_token_on_the_command_line_is_not_repeated(home: Path) -> None:
    del home
    for arguments in (("join", TOKEN), ("join", "--token-file", TOKEN), ("nodes", TOKEN)):
        ran = run(*arguments)
        assert (ran.code, "2" * 40 in ran.err + ran.out) == (2, False), ran.err
    assert "make a new one" in ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--new", "--token-file", "x"), "choose one"),
        (("--new", "--name", "a b"), "name"),
        (("--new", "--interface", "no-such0"), "no network interface"),
        (("--from-backup", "x"), "--new"),
        (("--token-file", "/dev/null/x"), "cannot read"),
    ],
)
def test_wrong_input_ends_with_2_and_leaves_no_cluster(
    home: Path, arguments: tuple[str, ...], says: str
) -> None:
    ran = run("join", *arguments)

    assert (ran.code, says in ran.err) == (2, True), ran.err
    assert not (home / "agent" / "cluster-state").exists()


def test_a_token_others_may_read_or_that_is_none_is_refused(home: Path, tmp_path: Path) -> None:
    del home
    open_to_all = run("join", "--token-file", secret(tmp_path, TOKEN, 0o644))
    none = run("join", "--token-file", secret(tmp_path, "hc1.secret-word"))

    assert (open_to_all.code, "chmod 600" in open_to_all.err) == (2, True)
    assert (none.code, "secret-word" in none.err) == (2, False)


def test_a_cluster_that_does_not_answer_is_a_peers_fault(home: Path, tmp_path: Path) -> None:
    del home
    ran = run("join", "--yes", "--token-file", secret(tmp_path, TOKEN), "--address", "127.0.0.1:9")

    assert ran.code == 4, ran.err
    assert "2" * 40 not in ran.err


def test_what_is_trusted_is_shown_with_a_fingerprint_and_what_it_means() -> None:
    shown = trust_text(
        Introduction(
            host="10.0.0.7", port=7433, name="desk", cluster_id="c", version="1",
            cluster_certificate="", cluster_key_sha256="ab" * 32,
        ),
        "kim",
    )  # fmt: skip

    assert "desk" in shown
    assert "abab abab" in shown
    assert "can run code as your user (kim)" in shown


def test_a_name_that_the_cluster_changed_is_said() -> None:
    assert changed_name("pc2", "pc2") is None
    assert "it is pc2-2" in str(changed_name("pc2", "pc2-2"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10.0.0.7:99", ("10.0.0.7", 99)),
        ("desk.local", ("desk.local", 7433)),
        ("[fd00::1]:99", ("fd00::1", 99)),
        ("fd00::1", ("fd00::1", 7433)),
    ],
)
def test_an_address_is_a_host_with_or_without_port(text: str, place: tuple[str, int]) -> None:
    assert parse_address(text) == place


@given(
    st.text(max_size=30)
    | st.sampled_from(["a:0", "a:65536", ":1", "a b:1", "a:1;x", "$(x):1", "-a:\n1"])
)
@settings(max_examples=60)
def test_fuzz_other_addresses_are_told_or_harmless(text: str) -> None:
    try:
        host, port = parse_address(text)
    except InputError:
        return
    assert all(char.isalnum() or char in ".-:_%" for char in host)
    assert 0 < port < 65536


@given(st.text(max_size=70))
@settings(max_examples=60)
def test_fuzz_a_name_is_taken_as_typed_or_refused(text: str) -> None:
    try:
        assert own_name(text) == text
    except InputError:
        return
    assert text.isascii()
    assert not text.startswith((".", "-"))


def test_folders_and_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    folder = AgentFolder(home=tmp_path / "h")
    make_folder(folder)
    folder.node_key.write_text("key")
    folder.node_key.chmod(0o644)
    with pytest.raises(MissingError, match="may read"):
        check_secrets(folder)

    folder.path.chmod(0o755)
    with pytest.raises(MissingError, match="may enter"):
        make_folder(folder)


def test_a_long_home_gets_short_sockets(tmp_path: Path) -> None:
    near = AgentFolder(home=Path("/home/kim"))
    far = AgentFolder(home=tmp_path / ("long" * 30))

    assert near.socket == near.path / "agent.sock"
    assert len(str(far.tunnel("b", "job"))) < 100
    assert far.socket != AgentFolder(home=tmp_path / ("loNG" * 30)).socket
