"""What a browser sees before the page: how to be let in, or that it is."""

from __future__ import annotations

from homecluster.web.assets import icon

_TO_THE_PAGE = '<meta http-equiv="refresh" content="0; url=/">'
"""Not a redirect: a cookie that is strictly same-site would not come with one that another site began."""
_DOOR = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>homecluster</title>{icon}{onward}
<h1>homecluster</h1>{said}</html>"""
_LOCKED = """<p>To see this page, open a login link. <code>homecluster dashboard</code> prints one where it is typed.
A link lets one browser in, once, within 15 minutes.</p>
<p>Is yours used or too old? End that command with Ctrl-C and type it again: it prints a new one,
and <code>homecluster dashboard --links 4</code> prints four.</p>"""


def locked(*, onward: bool = False) -> str:
    """What to do to be let in; `onward` tries the page by itself, for guests whose cookie stayed behind."""
    return _DOOR.format(icon=icon(), onward=_TO_THE_PAGE if onward else "", said=_LOCKED)


def opened() -> str:
    """Nothing to read: the page follows."""
    return _DOOR.format(icon=icon(), onward=_TO_THE_PAGE, said="")
