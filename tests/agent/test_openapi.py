"""The published description is the one that the listener keeps to."""

from __future__ import annotations

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from homecluster.agent.listener import Listener
from homecluster.agent.openapi import document, text
from tests.agent.town import Town

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_published_file_is_the_current_one() -> None:
    assert PUBLISHED.read_text() == text(), "python -m homecluster.agent.openapi docs/openapi.json"


def test_the_listener_has_these_paths_and_no_other(town: Town) -> None:
    a = town.coordinator()
    assert a.agent is not None
    assert a.agent._coordinator is not None

    listener = Listener(a.folder, a.agent._coordinator, a.agent._dial_job)

    assert listener.paths() == set(document()["paths"])


@pytest.mark.parametrize("path", sorted(document()["paths"]))
def test_every_answer_to_a_stranger_is_a_described_one(town: Town, path: str) -> None:
    town.coordinator()
    ((method, operation),) = document()["paths"][path].items()
    connection = http.client.HTTPSConnection("127.0.0.1", town.port, timeout=30, context=anyone())

    connection.request(method.upper(), path, b"{}" if method == "post" else None)
    response = connection.getresponse()

    described = operation["responses"][str(response.status)]
    schema = described["content"]["application/json"]["schema"]
    assert missing(json.loads(response.read()), schema) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/hello"), ("POST", "/v1/hello"), ("GET", "/nowhere"), ("DELETE", "/")],
)
@pytest.mark.parametrize("value", ["a miracle", "\x80"])
def test_what_cannot_be_expected_is_refused_in_few_words(
    town: Town, method: str, path: str, value: str
) -> None:
    town.coordinator()
    connection = http.client.HTTPSConnection("127.0.0.1", town.port, timeout=30, context=anyone())

    connection.request(method, path, headers={"Expect": value})
    response = connection.getresponse()

    assert response.status == 417
    assert json.loads(response.read())["schema"] == "homecluster.refused/1"


def test_an_upgrade_that_cannot_be_repeated_to_its_sender_is_refused(town: Town) -> None:
    b = town.member("b", town.coordinator())
    context = anyone()
    context.load_cert_chain(b.folder.node_certificate, b.folder.node_key)
    connection = http.client.HTTPSConnection("127.0.0.1", town.port, timeout=30, context=context)

    connection.request("GET", "/v1/channel", headers={"Upgrade": "\x80"})

    assert connection.getresponse().status == 400


def missing(answer: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Keys that the schema requires and the answer lacks or fills with another constant."""
    return [
        key
        for key in schema["required"]
        if key not in answer or answer[key] != schema["properties"][key].get("const", answer[key])
    ]


def anyone() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
