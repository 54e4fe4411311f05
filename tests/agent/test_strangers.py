"""Nobody without a pinned key gets past the door: real TLS on loopback."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from homecluster.agent.identity import (
    certify,
    key_sha256_of_certificate,
    make_cluster_certificate,
    make_key,
    make_request,
    own_key,
    read_key,
)
from homecluster.agent.introduce import ask_in, ask_who
from homecluster.agent.local import COORDINATOR
from homecluster.agent.rate import Bucket
from homecluster.agent.tokens import parse_token
from homecluster.agent.trust import member_context
from homecluster.app.join import join_cluster
from homecluster.errors import PeerError
from tests.agent.town import Town, town_in

UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def with_certificate(folder: Path, certificate: bytes, key: Path) -> ssl.SSLContext:
    file = folder / "stranger.crt"
    file.write_bytes(certificate)
    context = anyone()
    context.load_cert_chain(file, key)
    return context


def answer(
    town: Town,
    context: ssl.SSLContext,
    path: str = "/v1/channel",
    *,
    method: str = "GET",
    body: Any = None,
    headers: Any = None,
) -> tuple[int, bytes]:
    """Status and body; status 0 when TLS itself refuses."""
    connection = http.client.HTTPSConnection("127.0.0.1", town.port, timeout=30, context=context)
    try:
        connection.request(method, path, body, UPGRADE if headers is None else headers)
        response = connection.getresponse()
        return response.status, response.read()
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


@pytest.mark.parametrize("path", ["/v1/channel", "/v1/stream?id=x", "/v1/stream?to=a&job=j"])
def test_without_a_certificate_no_verb_is_in_reach(town: Town, path: str) -> None:
    town.coordinator()

    assert answer(town, anyone(), path)[0] == 401


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/ask", "/v1/members", "/v1/token", "/../x"])
def test_the_door_has_two_questions_and_no_other(town: Town, path: str) -> None:
    town.coordinator()

    assert answer(town, anyone(), path, headers={})[0] == 404


def test_a_self_signed_certificate_and_one_of_another_cluster_end_in_the_handshake(
    town: Town, tmp_path: Path
) -> None:
    town.coordinator()
    key = make_key(tmp_path / "x.key")
    self_signed = make_cluster_certificate(key, "x")
    other = certify(
        key, self_signed, key.public_key(), cluster_id="x", node="b", is_coordinator=True
    )

    for certificate in (self_signed, other):
        context = with_certificate(tmp_path, certificate, tmp_path / "x.key")
        assert answer(town, context)[0] == 0


def test_a_certificate_that_a_member_signed_is_none(town: Town, tmp_path: Path) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    key = make_key(tmp_path / "x.key")
    chain = certify(
        read_key(b.folder.node_key),
        b.folder.node_certificate.read_bytes(),
        key.public_key(),
        cluster_id="x",
        node="x",
        is_coordinator=False,
    )

    context = with_certificate(
        tmp_path, chain + b.folder.node_certificate.read_bytes(), tmp_path / "x.key"
    )

    assert answer(town, context)[0] == 0


def test_a_certificate_of_the_cluster_without_a_pin_is_refused(town: Town, tmp_path: Path) -> None:
    a = town.coordinator()
    key = make_key(tmp_path / "x.key")
    issued = certify(
        read_key(a.folder.cluster_key),
        a.folder.cluster_certificate.read_bytes(),
        key.public_key(),
        cluster_id="x",
        node="x",
        is_coordinator=True,
    )

    assert answer(town, with_certificate(tmp_path, issued, tmp_path / "x.key"))[0] == 403


def test_a_revoked_members_certificate_is_refused_with_its_own_status(
    town: Town, tmp_path: Path
) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    context = with_certificate(tmp_path, b.folder.node_certificate.read_bytes(), b.folder.node_key)
    assert answer(town, context)[0] == 101

    a.local.ask(COORDINATOR, "cluster.revoke", {"node": "b"}, deadline_s=30)

    assert answer(town, context)[0] == 410


def test_nothing_older_than_tls_13_is_spoken(town: Town) -> None:
    town.coordinator()
    context = anyone()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    assert answer(town, context, "/v1/hello", headers={})[0] == 0


def test_a_compressed_request_is_not_unpacked(town: Town) -> None:
    town.coordinator()
    packed = gzip.compress(b"{}")
    headers = {"Content-Encoding": "gzip"}

    assert answer(town, anyone(), "/v1/join", method="POST", body=packed, headers=headers)[0] == 415


def test_no_session_ticket_lets_anybody_skip_a_handshake(town: Town) -> None:
    town.coordinator()
    plain = socket.create_connection(("127.0.0.1", town.port), timeout=30)
    with anyone().wrap_socket(plain) as tls:
        tls.sendall(b"GET /v1/hello HTTP/1.1\r\nHost: x\r\n\r\n")
        assert tls.recv(4096).startswith(b"HTTP/1.1 200")
        assert tls.session is not None
        assert not tls.session.has_ticket


def test_a_pc_whose_clock_is_years_off_gets_in(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """To it every certificate is of the future; so here they are."""
    monkeypatch.setattr("homecluster.agent.identity._FROM", datetime(2049, 1, 1, tzinfo=UTC))
    b = town.member("b", town.coordinator())

    assert b.local.status()["connected"]


def test_a_members_certificate_does_not_make_a_server(town: Town) -> None:
    a = town.coordinator()
    b = town.member("b", a)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(b.folder.node_certificate, b.folder.node_key)
    assert refuses_server(member_context(b.folder), server)
    good = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    good.load_cert_chain(a.folder.node_certificate, a.folder.node_key)
    assert not refuses_server(member_context(b.folder), good)


def refuses_server(client_side: ssl.SSLContext, server_side: ssl.SSLContext) -> bool:
    """Whether the client ends the handshake with a certificate error; in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return True
    return False


# --- joining ---


def ask(town: Town, **changes: Any) -> tuple[int, bytes]:
    body = {"oldest_protocol": 1, "newest_protocol": 1, "name": "x", **changes}
    return answer(town, anyone(), "/v1/join", method="POST", body=json.dumps(body), headers={})


def wish(folder: Path, token_text: str) -> dict[str, str]:
    token = parse_token(token_text)
    return {
        "token_id": token.token_id,
        "secret": token.secret,
        "request": make_request(own_key(folder / "w.key")).decode(),
    }


def test_a_token_that_was_used_or_is_wrong_lets_nobody_in(town: Town, tmp_path: Path) -> None:
    a = town.coordinator()
    text = town.token(a)
    good = wish(tmp_path, text)

    assert ask(town, **good | {"secret": "0" * 40})[0] == 403
    assert ask(town, **good)[0] == 200
    other = make_request(make_key(tmp_path / "other.key")).decode()
    assert ask(town, **good | {"request": other})[0] == 403
    assert len(a.local.members()) == 2


def test_a_copied_request_gives_a_certificate_that_only_its_key_can_use(
    town: Town, tmp_path: Path
) -> None:
    a = town.coordinator()
    good = wish(tmp_path, town.token(a))

    first, again = ask(town, **good), ask(town, **good)

    for status, body in (first, again):
        assert status == 200
        certificate = json.loads(body)["certificate"].encode()
        assert key_sha256_of_certificate(certificate) == key_sha256_of_certificate(
            json.loads(first[1])["certificate"].encode()
        )
    assert len(a.local.members()) == 2


def test_a_version_that_does_not_fit_is_told_which_side_to_upgrade(
    town: Town, tmp_path: Path
) -> None:
    a = town.coordinator()
    good = wish(tmp_path, town.token(a))

    status, body = ask(town, **good | {"oldest_protocol": 9, "newest_protocol": 9})

    assert status == 426
    assert b"upgrade homecluster on the coordinator" in body


def test_the_secret_stays_here_when_the_key_is_not_the_tokens(town: Town, tmp_path: Path) -> None:
    a = town.coordinator()
    token = parse_token(town.token(a))
    honest = ask_who("127.0.0.1", town.port)
    forged = replace(honest, cluster_certificate=impostor(tmp_path))
    with pytest.raises(PeerError, match="cannot prove"):
        ask_in(forged, {"secret": token.secret})
    with pytest.raises(PeerError, match="not the cluster"):
        join_cluster(
            tmp_path / "b",
            replace(token, cluster_key_sha256="0" * 64),
            honest,
            name="b",
            interface=None,
        )


@pytest.mark.parametrize("name", ["a\x1b[2J", "a\nThe owner can do nothing.", ""])
def test_a_name_that_would_repaint_the_question_is_not_shown(town: Town, name: str) -> None:
    keeper = town.coordinator().its_agent._keeper
    keeper.state = replace(keeper.state, name=name)
    with pytest.raises(PeerError, match="is no cluster: 'name' is missing or malformed"):
        ask_who("127.0.0.1", town.port)


def impostor(folder: Path) -> str:
    return make_cluster_certificate(make_key(folder / "i.key"), "i").decode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
wishes = st.fixed_dictionaries(
    {},
    optional={
        "oldest_protocol": st.integers() | json_values,
        "newest_protocol": st.integers() | json_values,
        "token_id": st.text(max_size=20) | json_values,
        "secret": st.text(max_size=50) | json_values,
        "name": st.text(max_size=80) | json_values,
        "request": st.text(max_size=200) | json_values,
    },
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=wishes.map(json.dumps) | json_values.map(json.dumps) | st.binary(max_size=300))
def test_fuzz_of_join_bodies_ends_in_a_4xx(door: Town, body: Any) -> None:
    status, _ = answer(door, anyone(), "/v1/join", method="POST", body=body, headers={})

    assert 400 <= status < 500


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=400) | st.builds(
    lambda method, path, head: f"{method} {path} HTTP/1.1\r\n{head}\r\n\r\n".encode(),
    st.sampled_from(["GET", "POST", "PUT", "PRI", "é"]),
    st.sampled_from(["/v1/hello", "/v1/join", "/v1/channel", "*", "//", "/%00", "/" + "x" * 9000]),
    st.sampled_from([
        "", "Host: x", "Content-Length: -1", "Content-Length: 99999999999", "Transfer-Encoding: chunked",
        "Content-Encoding: gzip", "A" * 9000 + ": 1", "Upgrade: websocket", "Content-Length: 1\r\nContent-Length: 2",
    ]),
))  # fmt: skip
def test_fuzz_of_raw_requests_never_ends_in_a_5xx(door: Town, raw: bytes) -> None:
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as plain:
        try:
            with anyone().wrap_socket(plain) as tls:
                tls.sendall(raw)
                tls.settimeout(0.1)
                said = tls.recv(4096)
        except (OSError, ssl.SSLError):
            return
    assert not said.startswith(b"HTTP/1.1 5")


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A coordinator that the fuzz may ask more often than strangers may."""
    with pytest.MonkeyPatch.context() as patch, town_in(tmp_path_factory.mktemp("door")) as made:
        patch.setattr(Bucket, "take", lambda _: True)
        made.coordinator()
        yield made
