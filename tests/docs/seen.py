"""`python -m tests.docs.seen PAGE --engines DIR`: what a page shows of a real engine, seen again and written there.

README.md: `make run` on this machine, about five minutes. docs/several-pcs.md: a start over two new emulated PCs
of one core each, about ten minutes; needs root. A machine that does something else meanwhile spoils the figures.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.docs.commands import ROOT
from tests.docs.desk import new_home, plain
from tests.docs.keyboard import COLUMNS

_FIRST_RUN_WITHIN_S: Final = 1800.0
_HOME: Final = "~/.local/share/homecluster"
"""Where a reader's own state is."""
_JOINED: Final = ("homecluster join --new", "homecluster token", "homecluster join", "homecluster probe")  # fmt: skip
BLOCKS: Final = {
    "README.md": "== 4/6",
    "docs/several-pcs.md": "$ homecluster plan --model gpt2 --tensor-parallel 2 --nodes",
}
"""Page -> how its block begins."""


def first_run(engines: Path) -> str:
    """What `make run` prints in a new home, from the launch to what needs no hardware."""
    with tempfile.TemporaryDirectory() as home:
        env = {"HOMECLUSTER_HOME": home, "HOMECLUSTER_ENGINES": str(engines), "COLUMNS": str(COLUMNS)}  # fmt: skip
        ran = subprocess.run(
            ("bash", "scripts/first-run.sh", str(Path(sys.executable).parent)),
            cwd=ROOT, env=os.environ | env, timeout=_FIRST_RUN_WITHIN_S, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        said = plain(ran.stdout).replace(home, _HOME)
    if ran.returncode:
        raise SystemExit(said)
    return said[said.index("== 4/6") : said.index("== 6/6")].strip()


def typed_again(page: str, shown: str, engines: Path) -> str:
    """The block's lines typed on `desk`, in one cluster with `laptop` and probed, with what each printed."""
    with new_home(engines) as desk:
        for line in _JOINED:
            _check(desk.type(page, line).outcome, line)
        parts = []
        for line in re.findall(r"^\$ (.*)", shown, re.MULTILINE):
            row = desk.type(page, line)
            _check(row.outcome, line)
            parts.append(f"$ {line}\n{plain(row.said).strip()}")
    return "\n".join(parts)


def _check(outcome: str, line: str) -> None:
    if outcome != "ran":
        raise SystemExit(f"{line}: {outcome}")


def block_of(page: str, text: str) -> str:
    """What the page shows now, without the marks around it."""
    (found,) = re.findall(rf"^```console\n({re.escape(BLOCKS[page])}.*?)\n```", text, re.MULTILINE | re.DOTALL)  # fmt: skip
    return str(found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.docs.seen", description=__doc__)
    parser.add_argument("page", choices=BLOCKS)
    parser.add_argument("--engines", type=Path, required=True, help="as HOMECLUSTER_ENGINES")
    asked = parser.parse_args()
    translated = ROOT.glob(asked.page.replace(".md", ".*.md"))
    pages = [ROOT / asked.page, *sorted(translated)]
    shown = block_of(asked.page, pages[0].read_text("utf-8"))
    is_readme = asked.page == "README.md"
    anew = first_run(asked.engines) if is_readme else typed_again(asked.page, shown, asked.engines)
    for page in pages:
        text = page.read_text("utf-8")
        page.write_text(text.replace(block_of(asked.page, text), anew), "utf-8")
    sys.stdout.write(f"{anew}\n")


if __name__ == "__main__":
    main()
