"""What each fault does to one copy over two PCs: `python -m benchmarks.faults [--only WORDS] [--write]`.

Real agents in emulated PCs (root), a stand-in for vLLM. Each fault in a home of its own.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.gang_faults import FAULTS, Fault
from tests.cluster.gang_home import gang_home

RESULTS = Path(__file__).parent / "results" / "faults.json"
SCHEMA = "homecluster.faults/1"


def row(fault: Fault) -> dict[str, Any]:
    """What was stated, what was seen, and whether they agree."""
    stated = {"fault": fault.name, "outcome": fault.outcome}
    try:
        with gang_home(fault.home) as home:
            seen = fault.show(home)
    except AssertionError as error:
        return {**stated, "as_stated": False, "words": str(error)[-400:]}
    return {**stated, "as_stated": True, **asdict(seen)}


def kept() -> dict[str, dict[str, Any]]:
    """Rows of earlier runs, by fault."""
    if not RESULTS.exists():
        return {}
    return {one["fault"]: one for one in json.loads(RESULTS.read_text())["rows"]}


def write(rows: dict[str, dict[str, Any]]) -> None:
    known = [rows[fault.name] for fault in FAULTS if fault.name in rows]
    RESULTS.write_text(json.dumps({"schema": SCHEMA, "rows": known}, indent=1) + "\n")


def line(of: dict[str, Any]) -> str:
    if not of["as_stated"]:
        return f"| {of['fault']} | {of['outcome']} | NOT AS STATED: {of['words']} | | |"
    return (
        f"| {of['fault']} | {of['outcome']} | {of['words']} "
        f"| {of['after_s']:.0f} s | {of['clean_after_s']:.0f} s |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="WORDS", help="faults whose name has them")
    parser.add_argument("--write", action="store_true", help=f"keep rows in {RESULTS.name}")
    asked = parser.parse_args()
    rows = kept() if asked.write else {}
    print("| fault | stated | seen | told after | nothing left after |")
    print("| --- | --- | --- | --- | --- |")
    for fault in FAULTS:
        if asked.only in fault.name:
            rows[fault.name] = row(fault)
            print(line(rows[fault.name]), flush=True)
            if asked.write:
                write(rows)


if __name__ == "__main__":
    main()
