"""Wheels made of files at hand, without a build tool: our own code, and a bare package record."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import importlib.util
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("homecluster", "netprobe")
_SKIPPED = ("__pycache__",)
_TIME = (2020, 1, 1, 0, 0, 0)
"""The same files make the same wheel, bit for bit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCode:
    """The installed homecluster as files, from a clone or from site-packages alike."""

    version: str
    files: Mapping[str, bytes]
    """Path inside the wheel -> content."""
    entry_points: str
    """Those that vLLM looks for; our commands stay out of the engine's environment."""

    @property
    def sha256(self) -> str:
        """Changes when any of our code does."""
        digest = hashlib.sha256(self.entry_points.encode())
        for name, content in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.hexdigest()


def own_code() -> OwnCode:
    distribution = importlib.metadata.distribution("homecluster")
    return OwnCode(
        version=distribution.version,
        files={name: content for package in PACKAGES for name, content in _package_files(package)},
        entry_points=_entry_points(distribution),
    )


def write_own_wheel(code: OwnCode, folder: Path) -> Path:
    """The wheel's path; it asks for no other package."""
    return _write_wheel(folder, "homecluster", code.version, code.files, code.entry_points)


def write_bare_wheel(name: str, version: str, folder: Path) -> Path:
    """A wheel that holds a package's name and version and nothing else."""
    return _write_wheel(folder, name, version, {}, "")


def _package_files(package: str) -> list[tuple[str, bytes]]:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (root,) = map(Path, spec.submodule_search_locations)
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return [
        (f"{package}/{path.relative_to(root).as_posix()}", path.read_bytes())
        for path in paths
        if not any(
            part in _SKIPPED or part.startswith(".") for part in path.relative_to(root).parts
        )
    ]


def _entry_points(distribution: importlib.metadata.Distribution) -> str:
    wanted = [entry for entry in distribution.entry_points if entry.group.startswith("vllm.")]
    groups = sorted({entry.group for entry in wanted})
    return "\n".join(
        f"[{group}]\n"
        + "".join(f"{entry.name} = {entry.value}\n" for entry in wanted if entry.group == group)
        for group in groups
    )


def _write_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, bytes], entry_points: str
) -> Path:
    info = f"{name}-{version}.dist-info"
    content = dict(files)
    content[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    )
    content[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: homecluster\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if entry_points:
        content[f"{info}/entry_points.txt"] = entry_points.encode()
    content[f"{info}/RECORD"] = _record(content, f"{info}/RECORD")
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in content.items():
            entry = zipfile.ZipInfo(member, date_time=_TIME)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return path


def _record(content: Mapping[str, bytes], own_name: str) -> bytes:
    lines = [f"{name},sha256={_hash(data)},{len(data)}" for name, data in content.items()]
    return ("\n".join([*lines, f"{own_name},,"]) + "\n").encode()


def _hash(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
