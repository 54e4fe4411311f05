"""Generated requests to every published operation end in a published answer, whoever sends them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from homecluster.agent.openapi import document
from homecluster.agent.rate import Bucket
from tests.agent.town import Pc, Town, town_in

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:Unverified HTTPS request")]

EXAMPLES = 20
OPERATIONS = [
    (path, method) for path, item in sorted(document()["paths"].items()) for method in item
]
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
# Requests and WebSockets have these; the description names none of them.
HEADERS = [
    "Accept", "Authorization", "Content-Encoding", "Content-Type", "Cookie", "Expect", "Origin", "Range",
    "Upgrade", "Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Sec-WebSocket-Version", "X-Forwarded-For",
]  # fmt: skip
VALUES = st.sampled_from(
    ["gzip", "100-continue", "websocket", "bytes=0-", "application/json", "text/xml; charset=utf-16", "a/b/c;;", "x" * 4000]
) | st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=20).map(str.strip)  # fmt: skip
odd_headers = st.dictionaries(st.sampled_from(HEADERS), VALUES, max_size=3)
odd_queries = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=2)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A coordinator that may be asked more often than strangers may, and an operator whose agent is off."""
    with pytest.MonkeyPatch.context() as patch, town_in(tmp_path_factory.mktemp("door")) as made:
        patch.setattr(Bucket, "take", lambda _: True)
        made.member("b", made.coordinator(), role="operator").stop()
        yield made


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.LogRecord]]:
    """What the agent's process logs as an error or with a traceback."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    handler.addFilter(lambda record: record.levelno >= logging.ERROR or bool(record.exc_info))
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


def requests_for(path: str, method: str) -> st.SearchStrategy[Any]:
    """Requests as described, and ones that are not where the description rules anything out."""
    import schemathesis  # noqa: PLC0415 - takes most of a second, and only these tests need it
    from schemathesis.generation import GenerationMode  # noqa: PLC0415

    operation = schemathesis.openapi.from_dict(document())[path][method]
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if not operation.query and not operation.body:
        return right
    return right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def judged() -> list[Any]:
    """What schemathesis judges; its check for 5xx takes a WebSocket's 101 for one, so that stands in the test."""
    from schemathesis.specs.openapi import checks as described  # noqa: PLC0415 - as above

    return [
        described.status_code_conformance,
        described.content_type_conformance,
        described.response_schema_conformance,
    ]


def files_of(member: Pc) -> tuple[str, str]:
    return str(member.folder.node_certificate), str(member.folder.node_key)


@pytest.mark.parametrize("who", ["stranger", "member", "member who upgrades"])
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_fuzz_of_an_operation_ends_in_a_described_answer(
    door: Town, faults: list[logging.LogRecord], path: str, method: str, who: str
) -> None:
    member = next(pc for pc in door._pcs if pc.home.name == "b")
    certificate = None if who == "stranger" else files_of(member)
    fixed = UPGRADE if who == "member who upgrades" else {}
    checks, statuses = judged(), set[int]()

    @settings(max_examples=EXAMPLES, phases=[Phase.generate])
    @given(case=requests_for(path, method), headers=odd_headers, queries=odd_queries)
    def ask(case: Any, headers: dict[str, str], queries: dict[str, str]) -> None:
        call = partial(case.call, f"https://127.0.0.1:{door.port}", verify=False, timeout=30)
        response = call(headers=headers | fixed, params=queries, cert=certificate)
        statuses.add(response.status_code)
        assert response.status_code < 500
        case.validate_response(response, checks=checks)

    ask()

    assert statuses
    assert [record.getMessage() for record in faults] == []
