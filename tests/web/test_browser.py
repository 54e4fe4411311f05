"""The pages in a real browser: what a person sees, and that nothing foreign runs."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from homecluster.domain.job import Running
from homecluster.web.report import report_html
from tests.fakes.jobs import start_fake
from tests.fakes.trainings import begin, training_in
from tests.ports import unused_port
from tests.waiting import within
from tests.web.browser import CHROMIUM, opened
from tests.web.contrast import FAINT_TEXTS
from tests.web.dashboards import dashboard
from tests.web.homes import HOTSPOT, hostile_page, hotspot_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


def saved(page: dict[str, object], folder: Path) -> str:
    path = folder / "home.html"
    path.write_text(report_html(page))
    return path.as_uri()


def test_a_report_shows_graph_matrix_plans_and_causes(tmp_path: Path) -> None:
    points = [[1.7e9 + 300 * index, 0.04, None] for index in range(12)]
    history = [{"src": "alice", "dst": "bob", "method": "agent", "points": points}]
    url = saved(hotspot_page() | {"history": history}, tmp_path)
    with opened(url) as seen:
        page = seen.page
        page.click("[aria-label^='alice to bob']")
        assert page.evaluate("Chart.getChart('history-chart').data.datasets[0].data.length") == 12
        assert page.evaluate("homecluster.graph.nodes('[kind=\"node\"]').length") == 2
        assert page.locator("#matrix button").count() == 2
        # One stop of the Tab key, then arrow keys.
        page.focus("#matrix [tabindex='0']")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        assert page.locator("#link-detail h3").inner_text().startswith("bob → alice")
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        assert page.evaluate("homecluster.graph.edges('[chosen=\"yes\"]').length") == 2
        assert page.evaluate("Chart.getChart('plans-chart').data.datasets.length") >= 2
        assert "tensor parallel over 2 PCs" in page.locator("#diagnosis").inner_text()
        assert page.locator("#what-if-card").is_hidden()
        seen.picture("report")
        assert seen.errors == []
        assert seen.asked == [url]


def test_a_report_is_dark_where_the_reader_prefers_it_and_fits_a_phone(tmp_path: Path) -> None:
    with opened(saved(hotspot_page(), tmp_path), dark=True, width=390) as seen:
        ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(16, 19, 24)"
        wide = seen.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390
        assert seen.page.evaluate("homecluster.graph.zoom()") > 0.92  # of letters of 12 px
        assert seen.page.locator("#plans.cut[tabindex='0']").count() == 1
        assert seen.page.evaluate(FAINT_TEXTS) == []
        seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        seen.page.emulate_media(media="print")
        assert seen.page.evaluate("document.documentElement.dataset.theme") == "light"
        assert seen.page.locator("#graph-on-paper").is_visible()
        seen.page.emulate_media(media="screen")
        seen.page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        seen.page.click("#theme")
        assert seen.page.evaluate(FAINT_TEXTS) == []
        assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
        seen.picture("report-phone")
        assert seen.errors == []


def test_hostile_names_are_shown_as_text_and_do_not_run(tmp_path: Path) -> None:
    with opened(saved(hostile_page(), tmp_path)) as seen:
        assert seen.page.title() == "homecluster"
        assert "<img src=x" in seen.page.locator("#nodes").inner_text()
        assert "<img src=x" in seen.page.locator("#job").inner_text()
        assert "<img src=x" in seen.page.locator("#log").inner_text()
        assert seen.page.locator("main img").count() == 0
        assert "\\u202edesrever\\u001b[31m" in seen.page.locator("#log").inner_text()
        assert not set("\u202e\x1b") & set(seen.page.locator("body").inner_text())
        assert seen.page.evaluate("homecluster.graph.zoom()") > 0.3
        assert seen.errors == []


def test_the_what_if_panel_is_answered_by_keyboard(tmp_path: Path) -> None:
    with dashboard(tmp_path, "--cluster", str(HOTSPOT)) as link, opened(link) as seen:
        page = seen.page
        page.wait_for_selector("#what-if-card:not([hidden])")
        assert "248 tokens/s as it is" in page.locator("#what-if-answer").inner_text()
        page.focus("[name=rtt]")
        with page.expect_request("**/api/what-if") as asked:
            page.keyboard.press("Home")
        # What was not moved stays as each link has it.
        assert "bandwidth_bytes_per_s" not in (asked.value.post_data or "")
        page.wait_for_selector("#what-if-answer .pill")
        assert ", now 248" in page.locator("#what-if-answer").inner_text()
        page.focus("[value='1gbe']")
        page.keyboard.press("Enter")
        page.wait_for_selector("#what-if-answer >> text=with 1 GbE cable, now 248")
        page.wait_for_selector("#what-if-answer >> text=/One copy over several PCs: .* now 5.91/")
        assert page.locator("[name=rtt] + output").inner_text() == "300 µs"
        page.focus("#matrix button")
        page.keyboard.press("Enter")
        assert "20 Mbit/s" in page.locator("#link-detail").inner_text()
        seen.picture("dashboard")
        assert seen.errors == []
        assert {url.split("/")[2] for url in seen.asked} == {link.split("/")[2]}


def test_the_running_jobs_speed_moves(tmp_path: Path) -> None:
    job = start_fake(tmp_path / "jobs", "good")
    try:
        job.wait_for(lambda view: isinstance(view.state, Running))
        with dashboard(tmp_path, "--cluster", str(HOTSPOT)) as link, opened(link) as seen:
            figure = seen.page.locator("[data-figure='tokens/s now']")
            figure.wait_for()
            assert float(figure.inner_text()) > 0
            points = "Chart.getChart('speed-chart')?.data.datasets[0].data.length"
            within(60, lambda: (seen.page.evaluate(points) or 0) >= 3)
            seen.page.wait_for_selector("#hosts .bar")
            assert "cores busy" in seen.page.locator("#hosts").inner_text()
            seen.picture("job")
            assert seen.errors == []
    finally:
        os.kill(job.supervisor.pid, signal.SIGTERM)
        within(30, lambda: not job.processes())


def test_a_trainings_loss_and_speed_move(tmp_path: Path) -> None:
    with training_in(tmp_path) as job:
        begin(job)
        job.heard("step 1 of 8: loss 2.5000, 80 samples/s")
        with dashboard(tmp_path, "--cluster", str(HOTSPOT)) as link, opened(link) as seen:

            def shown() -> list[str]:
                names = ("step", "loss", "samples/s", "PCs")
                return [seen.page.locator(f"[data-figure='{name}']").inner_text() for name in names]

            seen.page.locator("[data-figure='loss']").wait_for()
            assert shown() == ["1", "2.5", "80", "a, b"]
            assert "predicted" in seen.page.locator("#job").inner_text()
            job.heard("step 2 of 8: loss 1.2500, 90 samples/s")
            within(60, lambda: shown() == ["2", "1.25", "90", "a, b"], shown)
            seen.picture("training")
            assert seen.errors == []


def test_a_page_says_that_its_server_ended_and_goes_on_after_a_new_login(tmp_path: Path) -> None:
    port = unused_port()
    with ExitStack() as server:
        link = server.enter_context(dashboard(tmp_path, "--cluster", str(HOTSPOT), port=port))
        with opened(link) as seen:
            seen.page.wait_for_selector("#connection.alive")
            server.close()
            seen.page.wait_for_selector("#connection.dead")
            assert seen.page.locator("#nodes").inner_text()  # what was known stays
            trouble = seen.page.locator("#trouble")
            assert "does not answer" in trouble.inner_text()
            with dashboard(tmp_path, "--cluster", str(HOTSPOT), port=port) as new_link:
                within(60, lambda: "Open the new link" in trouble.inner_text(), trouble.inner_text)
                seen.page.context.new_page().goto(new_link)
                seen.page.wait_for_selector("#connection.alive")
                assert trouble.is_hidden()
