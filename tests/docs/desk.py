"""Two new PCs of an emulated home on which the lines of a page are typed, one after the other."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.docs.commands import ROOT
from tests.docs.keyboard import Ended, Typed
from tests.lab.guest import Host
from tests.lab.homes import home_named
from tests.lab.lab import Lab
from tests.lab.plan import HomePlan
from tests.live.conftest import TINY_LLAMA

_LIMIT_S = 900.0
_MISSING = 3
_ENGINE_CHANGES = r"engine (remove|install)"
_NOT_TYPED = {
    r"^make run\b": "minutes of its own; python -m tests.docs.seen README.md types it",
    r"^make test\b": "minutes of its own; CI types it",
    r"^sudo |^apt-get ": "changes the machine",
    _ENGINE_CHANGES: "downloads or removes 2 GB; typed with --install",
    r"^New-NetFirewall": "PowerShell",
    r"\bITS-ADDRESS\b": "tests/live/test_probe_link.py types both ends",
}
_STAYS = {
    r"^homecluster dashboard": "login?link=",
    r"^homecluster up (?!.*(--detach|--dry-run|--train))": "Ctrl-C stops it",
    r"^python -m tests.lab (?!change|--list)(?!.*--run)": "Ctrl-C ends it",
    r"^netprobe serve": "listening",
}
"""What does not return by itself, and what it says when it is ready."""
_MAY_SAY_NO = r"^homecluster (plan|diagnose|doctor|up)\b"
_OUTSIDE = r"^python|pip install|^ping |engine install"
"""Typed on this machine with the user folder of desk: the emulated PCs have no internet."""
_WORDS = {
    "NODE": "laptop", "JOB": "", "F": "docs/examples/hotspot.toml", "M": "gpt2", "FILE": "signs.json",
}  # fmt: skip
"""What people put in the place of these; one job runs, so it need not be named."""
_STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_TAKEN_BACK = re.compile(r"[^\n]*\n(?:\x1b\[\?25h)?\r?\x1b\[1A\x1b\[2K")
"""The line before is erased, as progress is when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    page: str
    line: str
    pc: str
    outcome: str
    seconds: float | None = None
    said: str = field(default="", repr=False)

    @property
    def is_wrong(self) -> bool:
        return self.outcome.startswith("WRONG")


@dataclass
class Desk:
    """Two PCs and what was typed on them so far."""

    pcs: dict[str, Host]
    engines: Path | None
    installs: bool = False
    """Whether lines that install or remove an engine are typed: into and from `engines`."""
    token: str = ""
    sourced: str = ""
    staying: Typed | None = None
    lacks: bool = False
    """Something before could not run, such as an engine: what builds on it is told so and is no mistake."""

    def type(self, page: str, shown: str) -> Row:
        line = re.sub(r"\s+#.*", "", shown).strip()
        why = next((why for form, why in _NOT_TYPED.items() if re.search(form, line)), None)
        if why is not None and not (self.installs and re.search(_ENGINE_CHANGES, line)):
            return Row(page=page, line=line, pc="", outcome=f"not typed: {why}")
        if self.staying is not None and "another terminal" not in shown:
            self.staying.interrupt()
            self.staying = None
        pc = "laptop" if "# on laptop" in shown else self._pc_of(line)
        ended = self._ended(line, pc)
        if line == "homecluster token":
            (self.token,) = re.findall(r"\bhc1\.\S+", ended.said) or ("",)
        if line.startswith("source ") and ended.code == 0:
            self.sourced += f"{line.replace('~', str(self.pcs[pc].home))}; "  # one serves both PCs
        outcome = _outcome(line, ended, lacks=self.lacks)
        self.lacks = self.lacks or ended.code == _MISSING
        return Row(page=page, line=line, pc=pc, outcome=outcome, seconds=round(ended.seconds, 1), said=ended.said)  # fmt: skip

    def _pc_of(self, line: str) -> str:
        """Who has a token in hand joins with it."""
        is_second = (line == "homecluster join" and self.token) or "--token-file" in line
        return "laptop" if is_second else "desk"

    def _ended(self, line: str, pc: str) -> Ended:
        typed = self._begin(line, pc)
        ready = next((ready for form, ready in _STAYS.items() if re.search(form, line)), None)
        if ready is None:
            return typed.end(_LIMIT_S)
        is_ready = typed.until(ready, _LIMIT_S)
        if is_ready and "tests.lab" in line:
            self.staying = typed
            return Ended(code=0, said=typed.said, seconds=0.0)
        return typed.interrupt() if is_ready else typed.end(_LIMIT_S)

    def _begin(self, line: str, pc: str) -> Typed:
        host = self.pcs[pc]
        folder = host.home / "homecluster"
        if pc == "laptop" and (brought := self.pcs["desk"].home / "homecluster" / "token").exists():
            brought.rename(folder / "token")
        answers = {"token (": self.token, "Join?": "y"} if pc == "laptop" else {}
        if pc == "laptop":
            self.token = ""
        for word, meant in _WORDS.items():
            line = re.sub(rf"\b{word}\b", meant, line)
        argv: tuple[str, ...] = ("bash", "-ec", self.sourced + line)
        if not re.search(_OUTSIDE, line):
            argv = host.argv(argv)
        return Typed(argv, env=self._environment(host), folder=folder, answers=answers)

    def _environment(self, host: Host) -> dict[str, str]:
        tools = Path(sys.executable).parent
        shared = {"HOMECLUSTER_ENGINES": str(self.engines)} if self.engines else {}
        return host.environment | shared | {"PATH": f"{tools}:{os.environ['PATH']}", "TERM": "xterm"}  # fmt: skip


def plain(said: str) -> str:
    """What is left to read of it: without styles and ended progress, and of a progress line its last state."""
    lines = _STYLE.sub("", _TAKEN_BACK.sub("", said)).split("\n")
    return "\n".join(line.rsplit("\r", 1)[-1].rstrip() for line in lines)


def _outcome(line: str, ended: Ended, *, lacks: bool) -> str:
    lines = [line.strip() for line in plain(ended.said).splitlines() if line.strip()]
    why = next((one for one in lines if one.startswith("error:") or "homecluster engine" in one), "".join(lines[-1:]))  # fmt: skip
    match ended.code:
        case 0:
            return "ran"
        case 1 if re.search(_MAY_SAY_NO, line):
            return "ran; the answer is no"
        case 130:
            return "ran until Ctrl-C"
        case code if code == _MISSING or (lacks and code is not None):
            return f"needs more: {why}"
        case None:
            return f"WRONG: still running after {_LIMIT_S:.0f} s"
        case code:
            return f"WRONG: exit code {code}: {why}"


@contextmanager
def new_home(engines: Path | None, *, installs: bool = False) -> Iterator[Desk]:
    """Two PCs of one core as after installing the tools of the README: engines of two share no core."""
    names = ("desk", "laptop")
    with Lab(_named(home_named("wifi5", 2), names), cpu_cores=dict.fromkeys(names, 1.0)) as lab:
        for host in lab.hosts.values():
            clone = ("git", "clone", "--quiet", ROOT, host.home / "homecluster")
            subprocess.run(clone, check=True)
            example = ROOT / "docs" / "examples" / "team.toml"
            sources = host.home / "homecluster"
            (sources / "home.toml").write_bytes(example.read_bytes())
            _make_training(sources, engines)
        yield Desk(lab.hosts, engines, installs)


def _make_training(folder: Path, engines: Path | None) -> None:
    """The model and the data that docs/training.md names; only an engine can make weights."""
    rows = [json.dumps({"prompt": f"{i % 4} plus ", "completion": str(i % 4)}) for i in range(60)]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    config = folder / "my-model.json"
    config.write_text(json.dumps(TINY_LLAMA | {"max_position_embeddings": 2048}))
    for python in engines.glob("vllm-*/bin/python") if engines else ():
        made = ("--config", config, "--out", folder / "my-model", "--seed", "0")
        subprocess.run((python, "-m", "homecluster.jobs.random_model", *made), check=True)


def _named(home: HomePlan, names: tuple[str, ...]) -> HomePlan:
    called = {host.name: name for host, name in zip(home.hosts, names, strict=True)}
    return replace(
        home,
        hosts=tuple(replace(one, name=called[one.name]) for one in home.hosts),
        interfaces=tuple(replace(one, host=called[one.host]) for one in home.interfaces),
    )
