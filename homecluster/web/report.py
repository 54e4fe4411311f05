"""The page as one file that needs no server and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

from homecluster.web.assets import asset

_SCRIPT = re.compile(r'<script src="static/([^"]+)"></script>')
_STYLE_ID = (
    "__________cytoscape_stylesheet"  # Cytoscape adds no style of its own where it finds this one
)
_STYLE = f'<link id="{_STYLE_ID}" rel="stylesheet" href="static/page.css">'
_DATA = '<script id="page-data" type="application/json">null</script>'


def report_html(page: dict[str, Any]) -> str:
    """One HTML document: styles, scripts and data inside it, and a policy that lets nothing else run.

    The policy names the hash of each script, so that a host name that breaks out of the data would
    still not run.
    """
    html, style = _asset("index.html"), _asset("page.css")
    scripts = [_asset(name) for name in _SCRIPT.findall(html)]
    html = html.replace(_STYLE, f'<style id="{_STYLE_ID}">{style}</style>')
    for name in _SCRIPT.findall(html):
        html = html.replace(
            f'<script src="static/{name}"></script>', f"<script>{_closed(_asset(name))}</script>"
        )
    html = html.replace(_DATA, _DATA.replace("null", embedded(page)))
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data:; "
        f"style-src {_hash(style)}; "
        f"script-src {' '.join(_hash(_closed(script)) for script in scripts)}"
    )
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return html.replace('<meta charset="utf-8">', f'<meta charset="utf-8">\n{meta}', 1)


def embedded(page: dict[str, Any]) -> str:
    """JSON that can stand inside a script element: nothing in it can close that element."""
    text = json.dumps(page, allow_nan=False, ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _closed(script: str) -> str:
    return script.replace("</script", "<\\/script")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _asset(name: str) -> str:
    text = asset(name)
    assert text is not None, name
    return text
