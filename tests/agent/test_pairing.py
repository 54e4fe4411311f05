"""Who is let in: tokens and pairing steps, without sockets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.limits import MAX_MEMBERS, MAX_TOKENS, TOKEN_LIFE_S
from homecluster.agent.pairing import (
    Admitted,
    JoinRequest,
    Now,
    Refused,
    admit,
    free_name,
    give_token,
    member_of,
    put_out,
)
from homecluster.agent.tokens import JoinToken, fingerprint, hash_of, parse_token, token_text
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError
from homecluster.store.cluster_state import ClusterState, Pin

NOW = Now(boot_id="boot", boottime_s=1000.0, wall="2026-01-01T00:00:00+00:00")
SECRET, KEY = "5" * 40, "k" * 64
EMPTY = ClusterState(
    cluster_id="c", name="a", cluster_key_sha256="0" * 64, node=NodeId("a"), role=Role.OPERATOR,
    is_coordinator=True, epoch=1, interface=None, port=7433,
)  # fmt: skip
REQUEST = JoinRequest(token_id="t", secret=SECRET, key_sha256=KEY, wanted_name="b")
OPEN = give_token(EMPTY, token_id="t", secret=SECRET, role=Role.WORKER, now=NOW)

hex_text = st.text("0123456789abcdef", min_size=64, max_size=64)
hosts = st.sampled_from(["10.0.0.7", "desk.local", "fd00::1", "::1"])
tokens = st.builds(
    JoinToken,
    cluster_key_sha256=hex_text,
    token_id=hex_text.map(lambda text: text[:10]),
    secret=hex_text.map(lambda text: text[:40]),
    host=hosts,
    port=st.integers(1, 65535),
)


def later(seconds: float, boot: str = "boot") -> Now:
    return replace(NOW, boottime_s=NOW.boottime_s + seconds, boot_id=boot)


@given(tokens, st.booleans())
@settings(max_examples=50)
def test_a_token_reads_back_as_it_was_written(token: JoinToken, placed: bool) -> None:
    token = token if placed else replace(token, host=None, port=None)

    assert parse_token(f" {token_text(token)}\n") == token


@given(st.text(max_size=300) | st.builds(lambda token, cut: token_text(token)[:cut], tokens, st.integers(0, 115)))  # fmt: skip
@settings(max_examples=100)
def test_no_other_text_is_a_token_and_none_is_repeated(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_token(text)

    assert len(text.strip()) < 8 or text.strip() not in caught.value.message


def test_a_port_that_cannot_be_is_no_token() -> None:
    text = f"hc1.{'a' * 64}.{'b' * 10}.{'c' * 40}@desk:"

    assert parse_token(f"{text}65535").port == 65535
    for port in ("0", "65536"):
        with pytest.raises(InputError):
            parse_token(text + port)


def test_a_secret_is_not_shown_and_not_kept() -> None:
    token = JoinToken(cluster_key_sha256="0" * 64, token_id="0" * 10, secret=SECRET)

    assert SECRET not in repr(token)
    assert SECRET not in repr(OPEN)
    assert OPEN.tokens[0].secret_sha256 == hash_of(SECRET)


def test_a_fingerprint_is_eight_groups() -> None:
    assert fingerprint("0123456789abcdef" * 4) == "0123 4567 89ab cdef 0123 4567 89ab cdef"


def test_a_token_admits_one_key_with_its_role() -> None:
    state, result = admit(OPEN, REQUEST, NOW)

    assert isinstance(result, Admitted)
    assert result.pin.role is Role.WORKER
    assert member_of(state, KEY) == result.pin


def test_the_same_pc_may_ask_again_and_no_other() -> None:
    state, first = admit(OPEN, REQUEST, NOW)

    assert admit(state, REQUEST, later(60)) == (state, first)
    assert isinstance(admit(state, replace(REQUEST, key_sha256="x" * 64), later(60))[1], Refused)


@pytest.mark.parametrize(
    ("request_", "now"),
    [
        (replace(REQUEST, secret="6" * 40), NOW),
        (replace(REQUEST, token_id="u"), NOW),
        (REQUEST, later(TOKEN_LIFE_S)),
        (REQUEST, later(0, boot="another boot")),
    ],
    ids=["wrong secret", "unknown", "expired", "before a restart"],
)
def test_every_wrong_token_is_refused_in_the_same_words(request_: JoinRequest, now: Now) -> None:
    state, result = admit(OPEN, request_, now)

    assert state == OPEN
    assert result == Refused(
        status=403, reason="this token is not valid, was used, or is older than 15 minutes"
    )


def test_a_revoked_member_does_not_come_back_by_its_old_token() -> None:
    state, _ = admit(OPEN, REQUEST, NOW)

    out = put_out(state, NodeId("b"), is_revoked=True)

    assert member_of(out, KEY) is None
    assert (out.revoked, out.tokens) == ((KEY,), ())
    assert isinstance(admit(out, REQUEST, NOW)[1], Refused)


def test_no_more_revoked_keys_are_remembered_than_a_cluster_has_members() -> None:
    state = EMPTY
    for number in range(MAX_MEMBERS + 5):
        pin = Pin(node=NodeId("b"), key_sha256=f"{number:064x}", role=Role.WORKER, added_at="")
        state = put_out(replace(state, pins=(pin,)), NodeId("b"), is_revoked=True)

    assert len(state.revoked) == MAX_MEMBERS
    assert state.revoked[-1] == pin.key_sha256


def test_a_revoked_pc_may_be_let_in_anew_and_keeps_no_stain() -> None:
    out = put_out(admit(OPEN, REQUEST, NOW)[0], NodeId("b"), is_revoked=True)
    again = give_token(out, token_id="u", secret=SECRET, role=Role.OPERATOR, now=NOW)

    state, result = admit(again, replace(REQUEST, token_id="u"), NOW)

    assert isinstance(result, Admitted)
    assert result.pin.role is Role.OPERATOR
    assert state.revoked == ()


def test_a_full_cluster_takes_nobody_and_the_token_stays_good() -> None:
    pins = tuple(
        Pin(node=NodeId(f"n{i}"), key_sha256=f"{i:064}", role=Role.WORKER, added_at="")
        for i in range(MAX_MEMBERS)
    )

    state, result = admit(replace(OPEN, pins=pins), REQUEST, NOW)

    assert isinstance(result, Refused)
    assert state.tokens == OPEN.tokens


@given(
    st.lists(st.sampled_from(["b", "B", "b-2", "a", "..", "", "x y", "é", "n" * 63]), max_size=8)
)
@settings(max_examples=50)
def test_every_member_has_its_own_name(wanted: list[str]) -> None:
    state = EMPTY
    for number, name in enumerate(wanted):
        request = JoinRequest(
            token_id=str(number), secret=SECRET, key_sha256=f"{number:064}", wanted_name=name
        )
        state = give_token(state, token_id=str(number), secret=SECRET, role=Role.WORKER, now=NOW)
        state, result = admit(state, request, NOW)
        assert isinstance(result, Admitted)

    names = [str(pin.node).lower() for pin in state.pins] + ["a"]
    assert len(set(names)) == len(names)
    assert free_name(state, "new") == "new"


def test_waiting_tokens_are_bounded_and_dead_ones_forgotten() -> None:
    state = EMPTY
    for number in range(MAX_TOKENS + 5):
        state = give_token(state, token_id=str(number), secret=SECRET, role=Role.WORKER, now=NOW)
    assert len(state.tokens) == MAX_TOKENS

    fresh = give_token(
        state, token_id="x", secret=SECRET, role=Role.WORKER, now=later(TOKEN_LIFE_S)
    )

    assert [token.token_id for token in fresh.tokens] == ["x"]


requests = st.builds(
    JoinRequest,
    token_id=st.sampled_from("tuv"),
    secret=st.sampled_from([SECRET, "6" * 40]),
    key_sha256=st.sampled_from(["k" * 64, "l" * 64, "m" * 64]),
    wanted_name=st.sampled_from(["b", "c"]),
)
steps = st.lists(
    st.one_of(
        st.sampled_from("tuv").map(lambda name: ("give", name)),
        requests.map(lambda request: ("ask", request)),
        st.sampled_from(["b", "c", "b-2"]).map(lambda node: ("out", node)),
        st.floats(0, TOKEN_LIFE_S).map(lambda seconds: ("wait", seconds)),
    ),
    max_size=15,
)


@given(steps)
@settings(max_examples=100)
def test_law_a_token_makes_one_member_at_most_and_wrong_secrets_none(
    told: list[tuple[str, Any]],
) -> None:
    state, now = EMPTY, NOW
    made: dict[str, str] = {}
    for kind, value in told:
        match kind:
            case "give":
                state = give_token(state, token_id=value, secret=SECRET, role=Role.WORKER, now=now)
                made.pop(value, None)
            case "wait":
                now = replace(now, boottime_s=now.boottime_s + value)
            case "out":
                state = put_out(state, NodeId(value), is_revoked=True)
            case _:
                before = state
                state, result = admit(before, value, now)
                if isinstance(result, Refused):
                    assert state == before
                else:
                    assert value.secret == SECRET
                    assert made.setdefault(value.token_id, value.key_sha256) == value.key_sha256
    assert not {pin.key_sha256 for pin in state.pins} & set(state.revoked)
