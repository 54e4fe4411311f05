"""Troubles of a job that starts and never gets ready, with a stand-in for the engine on two PCs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from tests.cluster.lab_pc_troubles import growing, over
from tests.cluster.lab_site import Site, Trouble, probe
from tests.fakes.gang_engine import make_engine, make_model
from tests.waiting import within

_MODEL: Final = "toy"
_MUTE: Final = "0 mute\n1 mute\n"
_UP: Final = (
    *("up", "--model", _MODEL, "--nodes", "a,b", "--tensor-parallel", "2", "--replicas", "1"),
    *("--prompt-tokens", "16", "--output-tokens", "8", "--port", "8000"),
)
_BURN: Final = "while True: pass"
_BURNING: Final = 4


def while_it_starts(harm: Trouble) -> Trouble:
    """The harm is done while both engines say that they load weights, and say nothing more."""

    @contextmanager
    def together(site: Site) -> Iterator[tuple[str, ...]]:
        _furnish(site)
        folder = str(site.asks.state / "models" / _MODEL)
        words = [folder if word == _MODEL else word for word in _UP]
        argv = [sys.executable, "-m", "homecluster", *words]
        with site.asks.host.running(argv, env=site.asks.environment):
            try:
                within(
                    90, lambda: "loading weights" in _job(site).get("phase", ""), lambda: _job(site)
                )
                with harm(site) as arguments:
                    yield arguments
            finally:
                site.asks.type("down", "--all")

    return together


def _furnish(site: Site) -> None:
    for name in ("a", "b"):
        engines = Path(site.pcs[name].environment["HOMECLUSTER_ENGINES"])
        if not engines.exists():
            make_engine(engines)
            make_model(site.pcs[name].state / "models", _MODEL, _MUTE)
    if not any(site.asks.state.glob("links/*.json")):
        probe(site, "--quick")


def _job(site: Site) -> dict[str, Any]:
    ran = site.asks.type("status", "--json")
    jobs = json.loads(ran.stdout)["jobs"] if ran.stdout else []
    return dict(jobs[0]) if jobs else {}


@contextmanager
def _slow_disk(site: Site) -> Iterator[tuple[str, ...]]:
    """The kernel counts half of the time as waiting for the disk."""
    text = "some avg10=50.00 avg60=50.00 avg300=50.00 total={}\n"
    with (
        over(site.harmed, "/proc/pressure/io", {"": text.format(0)}) as file,
        growing(file, text),
    ):
        yield ()


@contextmanager
def _compiling(site: Site) -> Iterator[tuple[str, ...]]:
    """More busy programs than the PC has cores."""
    burn = [
        sys.executable,
        "-c",
        f"import os\nfor _ in range({_BURNING - 1}): os.fork() or exec({_BURN!r})\n{_BURN}",
    ]
    with site.harmed.running(burn):
        yield ()


@contextmanager
def _own_name_is_loopback(site: Site) -> Iterator[tuple[str, ...]]:
    """As Debian writes it; and the start takes longer than anybody predicted."""
    with over(site.harmed, "/etc/hosts", {"": "127.0.0.1 localhost\n127.0.1.1 b\n"}):
        time.sleep(_OVERDUE_S)
        yield ()


_OVERDUE_S: Final = 60.0
STARTS: Final[Mapping[str, tuple[str, Trouble]]] = MappingProxyType(
    {
        "a slow disk": ("disk-bound-load", while_it_starts(_slow_disk)),
        "a compile job": ("busy-elsewhere", while_it_starts(_compiling)),
        "127.0.1.1": ("loopback-host-name", while_it_starts(_own_name_is_loopback)),
    }
)
