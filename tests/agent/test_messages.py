"""What comes over the wire is read strictly; nothing else is believed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.agent.limits import MAX_BODY_BYTES, MAX_DEPTH
from homecluster.agent.messages import (
    Answer,
    Ask,
    Beat,
    Dial,
    Ended,
    Hello,
    Message,
    NoStream,
    Welcome,
    message_from,
    raised,
    refusal,
    text_of,
)
from homecluster.agent.safe_json import BadMessageError, parse, parse_table
from homecluster.agent.versions import outdated_side, told_to_far
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, LaunchError, MissingError, PeerError

ASK = Ask(id="1", to=NodeId("b"), verb="agent.look", body={"x": [1, "é"]}, deadline_s=5.0)
MESSAGES: tuple[Message, ...] = (
    Hello(instance="i", versions={"homecluster": "1"}, interface="eth0", can_be_dialled=True),
    Welcome(epoch=3, node="b", role=Role.OPERATOR),
    Beat(),
    ASK,
    replace(ASK, to=NodeId(""), asker=NodeId("c"), role=Role.OPERATOR),
    Answer(id="1", body={"a": None}),
    Answer(id="1", error="peer", message="no", hint="do"),
    Dial(stream="s", job="gpt2-8000"),
    NoStream(stream="s", reason="no job"),
    Ended(reason="revoked", is_final=True),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_reads_back_as_it_was_said(message: Message) -> None:
    assert message_from(text_of(message)) == message


@given(st.sampled_from(MESSAGES), st.data())
@settings(max_examples=150)
def test_fuzz_a_changed_message_is_another_message_or_refused(
    message: Message, data: st.DataObject
) -> None:
    table = json.loads(text_of(message))
    key = data.draw(st.sampled_from([*table, "unknown"]))
    table[key] = data.draw(json_values)

    try:
        read = message_from(json.dumps(table))
    except BadMessageError:
        return
    assert message_from(text_of(read)) == read


@given(st.text(max_size=200) | st.binary(max_size=200))
@settings(max_examples=150)
def test_fuzz_no_text_breaks_the_reader(content: Any) -> None:
    with contextlib.suppress(BadMessageError):
        assert isinstance(parse_table(content), dict)


@given(json_values)
@settings(max_examples=100)
def test_law_ordinary_json_is_read_as_json_reads_it(value: Any) -> None:
    text = json.dumps(value)
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 60_000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        '{"a":' * 20 + "1" + "}" * 20,
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e999",
        "9" * 20_000,
        str(2**53 + 1),
        "0." + "1" * 200,
        '{"a": 1, "a": 2}',
        '"' + "x" * MAX_BODY_BYTES + '"',
        b"\xff\xfe",
        "",
        '"\\',
    ],
    ids=lambda text: str(text)[:12],
)
def test_what_exhausts_or_surprises_other_readers_is_refused(text: Any) -> None:
    with pytest.raises(BadMessageError):
        parse(text)


def test_brackets_inside_strings_are_no_nesting() -> None:
    assert parse(json.dumps("[" * 100)) == "[" * 100
    assert parse('"\\"[[[[[[[[[[[[[[[[[[[[[["') == '"' + "[" * 22


@pytest.mark.parametrize("error", [InputError, MissingError, PeerError, LaunchError])
def test_each_kind_of_no_survives_the_way(error: type) -> None:
    answer = message_from(text_of(refusal("1", error("why", hint="do"))))

    assert isinstance(answer, Answer)
    back = raised(answer)
    assert (type(back), back.message, back.hint) == (error, "why", "do")


def test_a_large_request_is_refused_and_a_large_answer_is_not() -> None:
    body = {"x": "y" * 2 * MAX_BODY_BYTES}

    with pytest.raises(BadMessageError):
        message_from(text_of(replace(ASK, body=body)))
    assert message_from(text_of(Answer(id="1", body=body))) == Answer(id="1", body=body)


@pytest.mark.parametrize("to", ["../x", "a b", "-a", "a\n", 7, None, "n" * 64])
def test_an_addressee_that_is_no_name_is_refused(to: object) -> None:
    with pytest.raises(BadMessageError):
        message_from(json.dumps(json.loads(text_of(ASK)) | {"to": to}))


@pytest.mark.parametrize("verb", ["rm -rf", "a..b", "A.b", "a.b.c.d", "a;b", ""])
def test_a_verb_is_dotted_words(verb: str) -> None:
    with pytest.raises(BadMessageError):
        message_from(text_of(replace(ASK, verb=verb)))


def test_the_side_to_upgrade_is_named() -> None:
    assert outdated_side(1, 1, far="desk") is None
    assert str(outdated_side(2, 3, far="desk")).endswith("upgrade homecluster on this PC")
    assert str(outdated_side(0, 0, far="desk")).endswith("upgrade homecluster on desk")
    assert str(told_to_far(2, 3)).endswith("upgrade homecluster on the coordinator")
    assert str(told_to_far(0, 0)).endswith("upgrade homecluster on your PC")
