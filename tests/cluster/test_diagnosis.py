"""In an emulated home with a running cluster: the trouble that was made is the one that is named first."""

from __future__ import annotations

import pytest

from tests.cluster.diagnosed import guest_wifi, site
from tests.cluster.lab_site import Site, Trouble, causes, nothing
from tests.cluster.lab_troubles import TROUBLES
from tests.lab.availability import require_lab

pytestmark = [pytest.mark.lab, pytest.mark.slow]

_ATTEMPTS = 2
"""A machine that is busy with something else may lose packets of its own."""
_CHOSEN = ("clients kept apart", "multicast dropped", "a firewall on one PC", "an old engine")


def check(home: Site, name: str) -> None:
    expected, trouble = TROUBLES[name]
    found = [first(home, trouble)]
    while found[-1] != expected and len(found) < _ATTEMPTS:
        found.append(first(home, trouble))
    assert found[-1] == expected, (name, found)


def first(home: Site, trouble: Trouble) -> str | None:
    with trouble(home) as arguments:
        return next(iter(causes(home, arguments)), None)


def test_what_was_done_to_the_home_is_named_first_and_nothing_once_it_is_undone() -> None:
    require_lab()
    with site(guest_wifi()) as home:
        for name in _CHOSEN:
            check(home, name)
        assert first(home, nothing) is None
        check(home, "loss")
