import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netprobe.control.fields import MalformedError, decode, encode
from netprobe.control.handshake import Hello, agree, parse_hello, proof
from netprobe.control.messages import (
    MEASUREMENTS,
    Describe,
    Finish,
    Onward,
    Open,
    Ticket,
    failure_document,
    failure_in,
    parse_request,
    request_document,
)
from netprobe.types import PLANS, FailureKind

texts = st.text(st.characters(codec="utf-8"), max_size=50)
requests = st.one_of(
    st.just(Describe()),
    st.just(Ticket()),
    st.builds(Finish, id=st.integers(0, 1_000_000), wanted=st.booleans()),
    st.builds(Open, measurement=st.sampled_from(MEASUREMENTS), duration_s=st.floats(0, 60)),
    st.builds(
        Onward,
        host=texts,
        port=st.integers(1, 65535),
        ticket=texts,
        plan=st.sampled_from(sorted(PLANS)),
    ),
)
KEYS = st.sampled_from(
    [
        "verb",
        "measurement",
        "duration_s",
        "id",
        "host",
        "port",
        "ticket",
        "plan",
        "netprobe",
        "oldest",
        "newest",
        "nonce",
        "secret",
        "failure",
        "kind",
        "detail",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["open", "finish", "onward", "sink", "quick", "describe"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=8)
hellos = st.builds(
    Hello,
    oldest=st.just(1),
    newest=st.integers(1, 9),
    nonce=st.binary(min_size=32, max_size=32),
    secret=texts,
)


@given(requests)
def test_a_request_survives_the_wire(request):
    assert parse_request(decode(encode(request_document(request)))) == request


@given(DOCUMENTS)
def test_no_document_crashes_the_parsers(document):
    for parser in (parse_request, parse_hello):
        try:
            parser(document)
        except MalformedError:
            continue
    failure_in(document, "x")


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_decoder(line):
    try:
        decode(line)
    except MalformedError:
        return


@pytest.mark.parametrize(
    "line",
    [b"[" * 60_000, b'{"a":NaN}', b"[1]", b"GET / HTTP/1.1", b'{"a":' + b"9" * 20_000 + b"}"],
)
def test_hostile_lines_are_malformed(line):
    with pytest.raises(MalformedError):
        decode(line)


@pytest.mark.parametrize("duration", [-1, 61, True, "5", None, 10**400, math.inf])
def test_durations_are_bounded(duration):
    with pytest.raises(MalformedError):
        parse_request({"verb": "open", "measurement": "sink", "duration_s": duration})


@given(hellos)
def test_a_hello_survives_the_wire(hello):
    assert parse_hello(decode(encode(hello.document()))) == hello


@given(hellos, hellos, st.binary(min_size=8), st.binary(min_size=8))
def test_a_proof_depends_on_secret_role_and_both_hellos(client, server, secret, other):
    shown = proof(secret, "client", client, server)
    assert shown != proof(secret, "server", client, server)
    if secret != other:
        assert shown != proof(other, "client", client, server)
    if client != server:
        assert shown != proof(secret, "client", server, client)
    for changes in ({"oldest": 0}, {"newest": 10}, {"nonce": b"n" * 32}, {"secret": "another"}):
        assert shown != proof(secret, "client", replace(client, **changes), server)
        assert shown != proof(secret, "client", client, replace(server, **changes))


def test_no_common_version_says_which_side_to_upgrade():
    def far(oldest, newest):
        return Hello(oldest=oldest, newest=newest, nonce=bytes(32), secret="none")

    assert agree(far(1, 5), far_name="desk") == (1, "")
    version, advice = agree(far(2, 5), far_name="desk")
    assert version is None
    assert "upgrade homecluster on this side" in advice
    version, advice = agree(far(0, 0), far_name="desk")
    assert version is None
    assert "upgrade homecluster on desk" in advice


@given(st.sampled_from(FailureKind), texts)
def test_a_failure_survives_the_wire(kind, detail):
    failure = failure_in(decode(encode(failure_document(kind, detail))), "mtu")
    assert failure is not None
    assert (failure.probe, failure.kind, failure.detail) == ("mtu", kind, detail)


def test_a_line_looks_like_no_other_protocol():
    assert b" " not in encode(json.loads('{"netprobe":{"oldest":1,"newest":1},"nonce":"00"}'))
