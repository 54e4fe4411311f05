"""People who ask a running engine without a pause, and how many tokens per second they get in a span of time."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ASKERS: Final = Path(__file__).with_name("askers.py")
SETTLES_S: Final = 2.0
"""What was on its way when something changed has come."""


def askers(port: int, count: int) -> list[str]:
    """The command; its input and output are `Asking`'s."""
    return [sys.executable, str(_ASKERS), str(port), str(count)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """People who ask now, by the process that plays them."""

    process: subprocess.Popen[str]

    def rate(self, seconds: float) -> float:
        """Tokens per second of all of them from now on; longer than `seconds` where hardly any come."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def settled_rate(self, seconds: float) -> float:
        time.sleep(SETTLES_S)
        return self.rate(seconds)
