from __future__ import annotations

import pytest

from homecluster.web.fence import Asked, refusal, served_hosts

HOSTS = served_hosts("127.0.0.1", 8365)


def asked(
    host: str = "127.0.0.1:8365",
    origin: str | None = None,
    site: str | None = None,
    *,
    is_login: bool = False,
) -> Asked:
    return Asked(host=host, origin=origin, fetch_site=site, is_login=is_login)


@pytest.mark.parametrize(
    "request_",
    [
        asked(),
        asked("localhost:8365"),
        asked(origin="http://127.0.0.1:8365", site="same-origin"),
        asked(site="none"),
        asked(site="cross-site", is_login=True),
    ],
)
def test_its_own_pages_are_answered(request_: Asked) -> None:
    assert refusal(request_, HOSTS) is None


@pytest.mark.parametrize(
    "request_",
    [
        asked("evil.example:8365"),
        asked("127.0.0.1:80"),
        asked(""),
        asked(origin="http://evil.example"),
        asked(origin="null"),
        asked(site="cross-site"),
        asked(site="same-site"),
        asked("evil.example:8365", is_login=True),
    ],
)
def test_others_are_refused(request_: Asked) -> None:
    assert refusal(request_, HOSTS) is not None


def test_a_name_is_the_same_however_it_is_written() -> None:
    assert refusal(asked("Media-PC.local:80"), served_hosts("media-pc.LOCAL", 80)) is None


def test_browsers_leave_the_usual_port_out() -> None:
    hosts = served_hosts("127.0.0.1", 80)
    assert refusal(asked("localhost", origin="http://localhost"), hosts) is None
    assert refusal(asked("localhost"), HOSTS) is not None
