from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from homecluster.web.assets import asset
from homecluster.web.report import embedded, report_html
from tests.cli.shell import run
from tests.web.homes import EVIL, HOTSPOT, hostile_page, hotspot_page

SCRIPTS = (asset("index.html") or "").count("<script")


class _Outside(HTMLParser):
    """Collects whatever a browser would ask somebody for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        wanted = dict(attrs)
        for key in ("src", "href"):
            value = wanted.get(key) or ""
            if value and not value.startswith(("data:", "#")):
                self.asked.append(value)


def test_a_report_asks_nobody_for_anything() -> None:
    reader = _Outside()
    reader.feed(report_html(hotspot_page()))
    assert reader.asked == []
    assert reader.scripts == SCRIPTS


def test_hostile_names_stay_inside_the_data() -> None:
    html = report_html(hostile_page())
    reader = _Outside()
    reader.feed(html)
    assert (reader.asked, reader.scripts) == ([], SCRIPTS)
    assert EVIL not in html


def test_what_is_embedded_reads_back_as_it_was() -> None:
    page = hostile_page()
    assert json.loads(embedded(page)) == json.loads(json.dumps(page))
    assert "<" not in embedded(page)


def test_only_scripts_of_known_hash_may_run() -> None:
    html = report_html(hotspot_page())
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy is not None
    assert "unsafe" not in policy[1]
    assert policy[1].startswith("default-src 'none'; base-uri 'none'; form-action 'none'")


def test_every_script_of_the_page_is_shipped() -> None:
    index = asset("index.html")
    assert index is not None
    assert all(asset(name) for name in re.findall(r'src="static/([^"]+)"', index))


def test_no_name_leads_out_of_the_pages_files() -> None:
    assert asset("../page.py") is None
    assert asset("vendor/../../page.py") is None
    assert asset("__init__.py") is None


def test_report_is_typed_as_the_help_says(tmp_path: Path) -> None:
    target = tmp_path / "home.html"
    ended = run("report", "--html", str(target), "--cluster", str(HOTSPOT), "--model", "gpt2")
    assert ended.code == 0, ended.err
    assert "latency-bound-tensor-parallel" in target.read_text()


def test_report_without_a_target_says_what_to_type() -> None:
    ended = run("report", "--cluster", str(HOTSPOT), "--model", "gpt2")
    assert ended.code == 2
    assert "--html" in ended.err
