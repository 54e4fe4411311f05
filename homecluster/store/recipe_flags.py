"""Which flags a recipe's program takes: read from its source, since importing it would need the engine's packages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_FLAG: Final = re.compile(r'\.add_argument\(\s*"--([a-z-]+)"')


def flags_of(module: str) -> tuple[str, ...]:
    """Without their dashes, as the program declares them."""
    source = Path(__file__).parents[1] / "jobs" / f"{module}.py"
    return tuple(_FLAG.findall(source.read_text(encoding="utf-8")))
