"""Whether the remedies that `diagnose` names help by what it says: `python -m benchmarks.remedies --work FOLDER`.

Real vLLM with a GPT-2 of random weights over two emulated PCs of one core each, joined by a cable. While it
answers, its link or a PC is harmed, `diagnose` is typed, and what it names is done; tokens per second are
measured before and after. Cells that need another layout start it by the command that `diagnose` printed.
Goes on where it stopped, keeps benchmarks/results/remedies.json and writes the table into docs/diagnose.md.
The speeds of one PC are measured first, and kept in the folder. Needs root.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from benchmarks.diagnosis import PAGE, write_between
from benchmarks.founding_case import Home, Users, home, measure_devices, typed, up

RESULTS: Final = Path(__file__).parent / "results" / "remedies.json"
SCHEMA: Final = "homecluster.remedies/1"
MARKS: Final = ("<!-- remedies table -->", "<!-- end of remedies table -->")
_SECONDS = 6.0
_WATCH = ("--seconds", "3", "--json")
_TENSOR = ("--tensor-parallel", "2", "--pipeline-parallel", "1", "--replicas", "1")
_PIPELINE = ("--tensor-parallel", "1", "--pipeline-parallel", "2", "--replicas", "1")
_CABLE = {"rate_mbit": 983.0, "delay_ms": 0.075, "loss_percent": 0.0, "queue_kib": 512.0}
"""The home `1gbe`, each way of each link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One remedy that was applied, in tokens per second."""

    trouble: str
    cause: str
    remedy: str
    before: float
    after: float
    said: float | None
    """What `diagnose` said that it would gain; None: it named another cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A trouble that comes and goes while a job runs."""

    cause: str
    remedy: str
    harm: Callable[[Home], AbstractContextManager[None]]
    lasting: Callable[[Home], AbstractContextManager[None]] = lambda _: nullcontext()
    """What stays as it is when the remedy is applied."""
    measures_before: bool = False
    """The whole probe, before the harm: it does not run beside a download."""
    probe: tuple[str, ...] | None = ("--quick",)
    """How the harmed link is measured; None: not at all."""
    by_cable: bool = False
    """The gain that is said beside the cause for an Ethernet cable."""


def link(**changes: float | str) -> Callable[[Home], AbstractContextManager[None]]:
    """b's link is like this, then a cable."""

    @contextmanager
    def harm(at: Home) -> Iterator[None]:
        one = at.lab.link("b")
        one.set(**changes)  # type: ignore[arg-type] # keywords of Link.set, by name
        try:
            yield
        finally:
            one.set(**_CABLE)  # type: ignore[arg-type] # likewise

    return harm


@contextmanager
def download(at: Home) -> Iterator[None]:
    """a sends b something large meanwhile."""
    address = at.b.host.address
    with (
        at.b.host.running(["iperf3", "-s"], stdout=subprocess.DEVNULL),
        at.a.host.running(
            ["sh", "-c", f"sleep 1; exec iperf3 -c {address} -t 120"], stdout=subprocess.DEVNULL
        ),
    ):
        time.sleep(4)
        yield


@contextmanager
def short_of_quota(at: Home) -> Iterator[None]:
    at.lab.set_cpu_cores("b", 0.4)
    try:
        yield
    finally:
        at.lab.set_cpu_cores("b", 1.0)


LIVE: Final[Mapping[str, Live]] = MappingProxyType(
    {
        "Wi-Fi of 20 Mbit/s and 20 ms": Live(
            cause="latency-bound-tensor-parallel", remedy="an Ethernet cable", by_cable=True,
            harm=link(rate_mbit=20.0, delay_ms=10.0),
        ),
        "3 % of packets lost": Live(
            cause="packet-loss", remedy="another cable", harm=link(loss_percent=3.0),
        ),
        "an uplink of 8 Mbit/s": Live(
            cause="asymmetric-uplink", remedy="both ways alike", harm=link(direction="up", rate_mbit=8.0), probe=(),
        ),
        "a quota of 0.4 cores": Live(
            cause="cpu-quota", remedy="a quota of 1 core", harm=short_of_quota, probe=None,
        ),
        "a download over 20 Mbit/s and long queues": Live(
            cause="bufferbloat", remedy="the download stopped", harm=download, measures_before=True, probe=None,
            lasting=link(rate_mbit=20.0, queue_kib=1024.0),
        ),
    }
)  # fmt: skip
CUT: Final = "layers cut 10,2"
FEW: Final = "one request for two stages"


def with_tensor_parallel(work: Path, until_s: float, done: set[str]) -> Iterator[Row]:
    """One start; each trouble after the other."""
    with home(work, "1gbe") as at:
        _start(at, *up("gpt2", _TENSOR, 1))
        for trouble, cell in LIVE.items():
            if trouble in done:
                continue
            if time.monotonic() > until_s:
                break
            yield _applied(at, trouble, cell)
        typed(at.a, "down", "--all")


def _applied(at: Home, trouble: str, cell: Live) -> Row:
    with cell.lasting(at):
        if cell.measures_before:
            typed(at.a, "probe", "--between", "a", "b")
        with cell.harm(at):
            if cell.probe is not None:
                typed(at.a, "probe", "--between", "a", "b", *cell.probe)
            said, before = _asked(at, 1)
        after = Users(at.a, 1, _SECONDS).rate()
        for file in at.a.state.glob("links/*.json"):
            file.unlink()
    return Row(
        trouble=trouble, cause=cell.cause, remedy=cell.remedy, before=before, after=after,
        said=_by_cable(said) if cell.by_cable else _gain(said, cell.cause),
    )  # fmt: skip


def with_pipeline(work: Path) -> Iterator[Row]:
    """A lopsided cut, the cut that `diagnose` prints, and then more requests in flight."""
    with home(work, "1gbe") as at:
        _start(at, *up("gpt2", (*_PIPELINE, "--partition", "10,2"), 4))
        said, lopsided = _asked(at, 4)
        typed(at.a, "down", "--all")
        cause = _cause(said, "uneven-split")
        if cause is None:
            print(f"uneven-split was not named: {[one['id'] for one in said['causes']]}")
            return
        _start(at, *cause["remedy"]["argv"][1:], "--port", "8000", "--detach")
        even = Users(at.a, 4, _SECONDS).rate()
        words = cause["remedy"]["argv"]
        partition = words[words.index("--partition") + 1]
        yield Row(
            trouble=CUT, cause="uneven-split", remedy=f"--partition {partition}",
            before=lopsided, after=even, said=cause["effect_tokens_per_s"],
        )  # fmt: skip
        said, one = _asked(at, 1)
        yield Row(
            trouble=FEW, cause="too-little-concurrency", remedy="4 requests at a time",
            before=one, after=Users(at.a, 4, _SECONDS).rate(), said=_gain(said, "too-little-concurrency"),
        )  # fmt: skip
        typed(at.a, "down", "--all")


def _start(at: Home, *arguments: str) -> None:
    assert typed(at.a, *arguments), "it did not start"


def _asked(at: Home, users: int) -> tuple[dict[str, Any], float]:
    """(the diagnosis while so many users ask, their tokens per second)."""
    asking = Users(at.a, users, _SECONDS + 4)
    time.sleep(2)
    ran = at.a.type("diagnose", *_WATCH)
    document: dict[str, Any] = json.loads(ran.stdout)
    for one in document["causes"]:
        print(one["id"], one["effect_tokens_per_s"], one["summary"], *one["evidence"], sep="\n  ")
    sys.stdout.flush()
    return document, asking.rate()


def _cause(document: Mapping[str, Any], name: str) -> Any:
    return next((one for one in document["causes"] if one["id"] == name), None)


def _gain(document: Mapping[str, Any], name: str) -> float | None:
    cause = _cause(document, name)
    return None if cause is None else float(cause["effect_tokens_per_s"])


def _by_cable(document: Mapping[str, Any]) -> float | None:
    lines = (line for cause in document["causes"] for line in cause["evidence"])
    found = next((line for line in lines if "Ethernet cable" in line), None)
    if found is None:
        return None
    then = float(found.rpartition(":")[2].removesuffix("tokens/s"))
    return then - float(document["judged"]["estimate"]["output_tokens_per_s"]["mid"])


def kept() -> list[Row]:
    if not RESULTS.exists():
        return []
    return [Row(**one) for one in json.loads(RESULTS.read_text())["rows"]]


def keep(row: Row) -> None:
    rows = [asdict(one) for one in (*kept(), row)]
    RESULTS.write_text(json.dumps({"schema": SCHEMA, "rows": rows}, indent=1) + "\n")


def table(rows: list[Row]) -> str:
    lines = [
        "| trouble | named | remedy applied | before | after | gained | said |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        said = "not named" if row.said is None else f"{row.said:.3g}"
        lines.append(
            f"| {row.trouble} | `{row.cause}` | {row.remedy} | {row.before:.3g} | {row.after:.3g} "
            f"| {row.after - row.before:.3g} | {said} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, help="Kept between parts; without it only the table.")
    parser.add_argument("--part", choices=("tensor", "pipeline"), default="tensor")
    parser.add_argument("--limit-s", type=float, default=3600.0, help="start no cell after that")
    asked = parser.parse_args()
    if asked.work is not None:
        done = {row.trouble for row in kept()}
        until_s = time.monotonic() + asked.limit_s
        asked.work.mkdir(parents=True, exist_ok=True)
        if not (asked.work / "devices").is_dir():
            measure_devices(asked.work)
        if asked.part == "tensor" and set(LIVE) - done:
            rows = with_tensor_parallel(asked.work, until_s, done)
        else:
            rows = with_pipeline(asked.work) if FEW not in done else iter(())
        for row in rows:
            print(row, flush=True)
            if row.trouble not in done:
                keep(row)
    write_between(PAGE, MARKS, table(kept()))


if __name__ == "__main__":
    main()
