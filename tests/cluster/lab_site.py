"""A running cluster of emulated PCs that is harmed, and what `diagnose` says there.

A trouble is a context manager over a site; it yields what is typed behind `diagnose`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from tests.cluster.pcs import Pc
from tests.lab.guest import Host
from tests.lab.lab import Lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A running cluster: a leads and asks, b is harmed."""

    lab: Lab
    pcs: Mapping[str, Pc]

    @property
    def asks(self) -> Pc:
        return self.pcs["a"]

    @property
    def harmed(self) -> Host:
        return self.pcs["b"].host


Trouble = Callable[[Site], AbstractContextManager[tuple[str, ...]]]


@contextmanager
def nothing(_: Site) -> Iterator[tuple[str, ...]]:
    """A healthy home."""
    yield ()


def both(one: Trouble, other: Trouble) -> Trouble:
    @contextmanager
    def harm(site: Site) -> Iterator[tuple[str, ...]]:
        with one(site) as first, other(site) as second:
            yield (*first, *second)

    return harm


def probe(site: Site, *more: str, with_: str = "b") -> None:
    ran = site.asks.type("probe", "--between", "a", with_, *more, "--json", timeout_s=240)
    assert ran.stdout, ran.stderr


def forget(site: Site) -> None:
    """What was measured under harm says nothing of the next cell."""
    for pattern in ("links/*.json", "link-watch.log*"):
        for file in site.asks.state.glob(pattern):
            file.unlink()


def causes(site: Site, arguments: tuple[str, ...]) -> list[str]:
    ran = site.asks.type("diagnose", "--seconds", "2", *arguments, "--json", timeout_s=120)
    assert ran.stdout, ran.stderr
    return [str(cause["id"]) for cause in json.loads(ran.stdout)["causes"]]
