"""The copies' Prometheus texts as one, each line with the copy's name, and the router's own counts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from homecluster.router.table import SeatState, Table

_SAMPLE = re.compile(r"^(?P<name>[A-Za-z_:][\w:]*)(?:\{(?P<labels>.*)\})?(?P<rest>\s.+)$")
_SUFFIX = re.compile(r"_(bucket|sum|count|total|created)$")
_FAMILY = re.compile(r"^# (?:HELP|TYPE) (?P<name>\S+) ")


def merged(texts: Mapping[str, str]) -> str:
    """One text of all copies' samples; `copy="…"` is the first label of each.

    A family's lines must stand together and be described once, so lines are gathered by family.
    """
    described: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for copy, text in texts.items():
        family = ""
        for line in text.splitlines():
            if about := _FAMILY.match(line):
                family = about["name"]
                lines = described.setdefault(family, [])
                if not any(line.split()[:3] == known.split()[:3] for known in lines):
                    lines.append(line)
            elif sample := _SAMPLE.match(line):
                home = family if _is_of(sample["name"], family) else sample["name"]
                samples.setdefault(home, []).append(_labelled(sample, copy))
    families = [*described, *(name for name in samples if name not in described)]
    lines = [line for name in families for line in described.get(name, []) + samples.get(name, [])]
    return "".join(f"{line}\n" for line in lines)


def own(table: Table) -> str:
    """The router's own gauges and counters."""
    rows = [
        ("homecluster_copy_serving", "gauge", "Whether the copy takes requests."),
        ("homecluster_copy_requests_in_flight", "gauge", "Requests that the copy has now."),
        ("homecluster_copy_requests_total", "counter", "Requests that the copy was given."),
    ]
    lines = []
    for name, kind, about in rows:
        lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}"]
        for seat in table.seats:
            value = {
                "homecluster_copy_serving": int(seat.state is SeatState.SERVING),
                "homecluster_copy_requests_in_flight": seat.in_flight,
                "homecluster_copy_requests_total": seat.served,
            }[name]
            lines.append(f'{name}{{copy="{_quoted(seat.name)}"}} {value}')
    return "".join(f"{line}\n" for line in lines)


def _is_of(sample: str, family: str) -> bool:
    return family in (sample, _SUFFIX.sub("", sample))


def _labelled(sample: re.Match[str], copy: str) -> str:
    others = f",{sample['labels']}" if sample["labels"] else ""
    return f'{sample["name"]}{{copy="{_quoted(copy)}"{others}}}{sample["rest"]}'


def _quoted(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
