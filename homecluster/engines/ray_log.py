"""What Ray says in a job's log of PCs that it gave up; read in Ray 2.60."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_DEAD = re.compile(
    r"address: (?P<address>[0-9a-fA-F.:]+) .{0,200}?has been marked dead (?P<why>because [^.]{0,160})"
)


def given_up(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(address, why) of each PC that the head does not hear from any more; each once, in order.

    Ray says it in one line to every program that uses it: `The node with node id: … and address:
    10.0.0.3 and node name: … has been marked dead because the detector has missed too many heartbeats`.
    """
    seen: set[str] = set()
    for line in lines:
        match = _DEAD.search(line)
        if match and match["address"] not in seen:
            seen.add(match["address"])
            yield match["address"], match["why"]
