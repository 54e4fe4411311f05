"""What four emulated homes measure, kept and drawn: `python -m benchmarks.network_pictures`.

Root on Linux (the lab), matplotlib (`pip install -e .[pictures]`), about two minutes.
With `--kept` the reports of the last run are drawn again, which needs no root.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.network_drawing import draw_all
from benchmarks.network_table import HOMES, table
from homecluster.domain.hardware import DeviceKind
from homecluster.errors import HomeclusterError
from homecluster.store.engine_store import find_engine
from homecluster.store.paths import paths_from
from netprobe.report import parse_report, report_document
from netprobe.types import Report
from tests.lab.availability import lab_unavailable_reason
from tests.lab.lab import Lab

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "network"
PICTURES = ROOT / "docs" / "pictures"
PAGE = ROOT / "docs" / "network.md"
TABLE_BEGIN = "<!-- written by benchmarks/network_pictures.py -->\n"
TABLE_END = "<!-- to here -->\n"
NETPROBE = (sys.executable, "-m", "netprobe")
RUN_LIMIT_S = 180.0


def main(argv: list[str]) -> int:
    if argv not in ([], ["--kept"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not argv:
        if (reason := lab_unavailable_reason()) is not None:
            print(f"{reason}; --kept draws the reports of the last run", file=sys.stderr)
            return 3
        engine = engine_options()
        keep({home: measured(home, engine) for home in HOMES})
    reports = kept()
    draw_all(reports, PICTURES)
    PAGE.write_text(with_table(PAGE.read_text(), table(reports)))
    print(table(reports))
    return 0


def engine_options() -> tuple[str, ...]:
    """The option for the engine's own all-reduce; none where no engine is installed."""
    try:
        engine = find_engine(paths_from(os.environ).engines, DeviceKind.CPU)
    except HomeclusterError as error:
        print(f"without the engine's all-reduce: {error}", file=sys.stderr)
        return ()
    return ("--engine-python", str(engine.python))


def measured(home: str, engine: tuple[str, ...]) -> Report:
    """One full probe from host a to host b of that home, without its single samples."""
    print(f"{home} …", file=sys.stderr)
    with Lab(home, hosts=2) as lab:
        a, b = lab.host("a"), lab.host("b")
        argv = [*NETPROBE, "serve", "--bind", b.address, *engine]
        server = b.popen(argv, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        try:
            server.stderr.readline()
            argv = [*NETPROBE, "run", b.address, "--full", "--json", *engine]
            done = a.run(argv, timeout=RUN_LIMIT_S)
        finally:
            server.terminate()
            server.wait()
            server.stderr.close()
    if done.returncode != 0:
        raise SystemExit(f"{home}: {done.stdout}{done.stderr}")
    return replace(parse_report(json.loads(done.stdout)), samples={})


def keep(reports: Mapping[str, Report]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    for home, report in reports.items():
        text = json.dumps(report_document(report), indent=1)
        (RESULTS / f"{home}.json").write_text(text + "\n")


def kept() -> dict[str, Report]:
    return {
        home: parse_report(json.loads((RESULTS / f"{home}.json").read_text())) for home in HOMES
    }


def with_table(page: str, rows: str) -> str:
    """The page with what stands between its two marks replaced."""
    before, _, rest = page.partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    return f"{before}{TABLE_BEGIN}\n{rows}\n{TABLE_END}{after}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
