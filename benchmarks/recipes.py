"""Figures of bundled recipes, kept: `python -m benchmarks.recipes data-feed-unequal zero-copy-bert`.

Each is the recipe as `homecluster run NAME` carries it out, at its full size, once; its whole result goes to
benchmarks/results/recipes/NAME.json with the time, how long it took, and the processors. Needs the CPU engine, and some
recipes the training packages. `--table` prints what is kept, of all recipes unless some are named.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from homecluster.app.recipes import run_job
from homecluster.domain.recipe import JobStep
from homecluster.store.paths import paths_from
from homecluster.store.recipes import find_recipe

RESULTS: Final = Path(__file__).parent / "results" / "recipes"
SCHEMA: Final = "homecluster.bench-recipe/1"


def measure(name: str) -> None:
    recipe, _ = find_recipe(name)
    assert isinstance(recipe.step, JobStep), f"{name} measures nothing"
    ran = run_job(paths_from(os.environ), recipe, recipe.step, lambda _line: None)
    document = {
        "schema": SCHEMA,
        "recipe": name,
        "arguments": dict(recipe.step.arguments),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "took_s": ran.took_s,
        "processors": os.cpu_count(),
        "result": ran.document,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def feed_table(result: dict[str, Any]) -> str:
    lines = [
        "| way | samples/s | of the summed speeds | lost | repeated |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['mode']} | {row['samples_per_s']:.0f} | {row['share_of_summed_speeds']:.1%} "
        f"| {row.get('missing', '')} | {row.get('repeated', '')} |"
        for row in result["modes"]
    ]
    rates = {row["mode"]: row["samples_per_s"] for row in result["modes"]}
    gain = rates["automatic"] / rates["hand-split"]
    return (
        "\n".join(lines)
        + f"\n\n{gain:.2f}x the hand-split; {result['expected_gain']:.2f}x expected"
    )


def zero_copy_table(result: dict[str, Any]) -> str:
    lines = ["| way | time | ratio |", "|---|---|---|"]
    lines.append(f"| without a copy | {1000 * result['zero_copy_s']:.1f} ms | 1 |")
    lines += [
        f"| {way.replace('_', ' ')} | {1000 * seconds:.0f} ms | {result['ratios'][way]:.0f} |"
        for way, seconds in result["others_s"].items()
    ]
    mb, all_mb = (result[name] / 1e6 for name in ("weights_bytes", "weights_in_all_bytes"))
    memory = f"{all_mb:.0f} MB of weights in {result['processes']} processes together; one copy is {mb:.0f} MB"
    return "\n".join(lines) + f"\n\n{memory}; same outputs: {result['same_outputs']}"


def replica_table(result: dict[str, Any]) -> str:
    lines = ["| replicas | response | requests/s | predicted |", "|---|---|---|---|"]
    lines += [
        f"| {row['replicas']} | {row['response_s']['p50']:.2f} s | {row['requests_per_s']:.2f} "
        f"| {row['predicted_requests_per_s']:.2f} |"
        for row in result["curve"]
    ]
    return "\n".join(lines) + f"\n\n{result['knee']['reason']}"


def rows_table(result: dict[str, Any]) -> str:
    """Of the recipes whose result is a table already."""
    names = list(result["rows"][0])
    lines = [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
    for row in result["rows"]:
        cells = (f"{one:.4g}" if isinstance(one, float) else str(one) for one in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *result["remarks"]])


_TABLES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "data-feed-unequal": feed_table,
    "zero-copy-bert": zero_copy_table,
    "replica-sweep": replica_table,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", help="names of bundled ones that run a program")
    parser.add_argument("--table", action="store_true", help="only print what is kept")
    asked = parser.parse_args()
    kept_ones = sorted(path.stem for path in RESULTS.glob("*.json"))
    for name in asked.recipes or kept_ones:
        if not asked.table:
            measure(name)
        kept = json.loads((RESULTS / f"{name}.json").read_text())
        sys.stdout.write(
            f"{name}, {kept['at']}\n\n{_TABLES.get(name, rows_table)(kept['result'])}\n\n"
        )


if __name__ == "__main__":
    main()
