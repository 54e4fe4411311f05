"""A line typed at a terminal of an emulated PC: its output, its answers to questions, Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS, COLUMNS = 40, 100
_LOOK_S = 0.2
_ENDING_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`code` is none when it had to be killed."""

    code: int | None
    said: str
    seconds: float


class Typed:
    """One running line; `answers` are typed as soon as their question appears."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        answers: Mapping[str, str] | None = None,
    ) -> None:
        self.said = ""
        self._answers = dict(answers or {})
        self._began_s = time.monotonic()
        self._screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._process = subprocess.Popen(
            argv, env=dict(env), cwd=folder, start_new_session=True,
            stdin=terminal, stdout=terminal, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)

    def until(self, text: str, limit_s: float) -> bool:
        """Whether it said that before it ended or the time was over."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            running = self._process.poll() is None
            self._read()
            if text in self.said:
                return True
            if not running:
                return False
        return False

    def end(self, limit_s: float) -> Ended:
        """Wait for it; what takes longer is killed."""
        deadline_s = time.monotonic() + limit_s
        while self._process.poll() is None and time.monotonic() < deadline_s:
            self._read()
        code = self._process.poll()
        if code is None:
            self._process.kill()
            self._process.wait()
        while self._read():
            pass
        os.close(self._screen)
        return Ended(code=code, said=self.said, seconds=time.monotonic() - self._began_s)

    def interrupt(self) -> Ended:
        """Ctrl-C, and wait."""
        os.killpg(self._process.pid, signal.SIGINT)  # a terminal tells the whole group
        return self.end(_ENDING_S)

    def _read(self) -> bool:
        """Whether there was anything; a question is answered."""
        if not select.select([self._screen], [], [], _LOOK_S)[0]:
            return False
        try:
            read = os.read(self._screen, 65536)
        except OSError:  # the last process that had the terminal is gone
            time.sleep(_LOOK_S / 10)
            return False
        self.said += read.decode(errors="replace").replace("\r\n", "\n")
        for question in [one for one in self._answers if one in self.said]:
            os.write(self._screen, f"{self._answers.pop(question)}\n".encode())
        return bool(read)
