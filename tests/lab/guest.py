"""One emulated PC as a test holds it: where it is, and how commands run in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
_ENTER: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from tests.lab.enter import main; "
    "main(int(sys.argv[2]), sys.argv[3], sys.argv[4:])"
)
_NOT_INHERITED: Final = ("XDG_", "HOMECLUSTER_", "NETPROBE_")
"""Where these point is outside the host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One emulated PC. Its files are visible from outside at the same paths."""

    name: str
    address: str
    pid: int
    """Of its first process, as seen from outside; its namespaces are those of the host."""
    folder: Path
    cgroup: str | None

    @property
    def home(self) -> Path:
        """What HOME is inside."""
        return self.folder / "home"

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment as the host would have it."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        return own | {
            "HOME": str(self.home),
            "TMPDIR": str(self.folder / "tmp"),
            "HOSTNAME": self.name,
        }

    def argv(self, command: Sequence[str]) -> tuple[str, ...]:
        """What to start here, with `environment`, to run `command` inside; for asyncio and others.

        Signals reach the command once, its exit code comes back, and it is killed with this.
        """
        launcher = (sys.executable, "-S", "-E", "-s", "-c", _ENTER)
        return (*launcher, str(ROOT), str(self.pid), self.cgroup or "-", *command)

    def shell_line(self, command: str) -> str:
        """The same for a person at a shell."""
        join = (
            f"sh -c 'echo $$ > {self.cgroup}/cgroup.procs; exec \"$@\"' - " if self.cgroup else ""
        )
        return (
            f"{join}nsenter --target {self.pid} --mount --uts --ipc --net --pid --wd=. "
            f"env HOME={self.home} TMPDIR={self.folder / 'tmp'} {command}"
        )

    def popen(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[Any]:
        """Start a command inside; options as of subprocess.Popen, `env` is added to its own."""
        environment = self.environment | dict(env or {})
        return subprocess.Popen(self.argv(command), env=environment, **options)

    @contextmanager
    def running(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """A command that is killed at the end of the block, should it still run."""
        with self.popen(command, env=env, **options) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float | None = 60.0,
        check: bool = False,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and capture its text; options as of subprocess.run."""
        options = {"capture_output": True, "text": True} | options
        environment = self.environment | dict(env or {})
        return subprocess.run(
            self.argv(command), timeout=timeout, check=check, env=environment, **options
        )
