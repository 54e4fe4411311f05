"""The page's own files, as they are shipped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

_STATIC = files("homecluster.web") / "static"

CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".LICENSE": "text/plain",
}


def asset(name: str) -> str | None:
    """The file's text; None when the page has no such file."""
    return _read().get(name)


def content_type(name: str) -> str:
    return CONTENT_TYPES["." + name.rpartition(".")[2]]


@cache  # strangers ask for it
def icon() -> str:
    """The link to the page's picture in the browser's tab, for pages before it."""
    index = asset("index.html") or ""
    return next(line for line in index.splitlines() if line.startswith('<link rel="icon"'))


def _read() -> dict[str, str]:
    """All of them, by the name under which the page asks; read anew, they are few."""
    found = {}
    for folder, prefix in ((_STATIC, ""), (_STATIC / "vendor", "vendor/")):
        for entry in folder.iterdir():
            if entry.is_file() and "." + entry.name.rpartition(".")[2] in CONTENT_TYPES:
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")
    return found
