"""Engine environments as people read them: which there are, and how far an installation is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress
from rich.table import Column

from homecluster.app.engine import is_current
from homecluster.app.engine_install import Step
from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_progress import progress_console, what_happens
from homecluster.domain.units import format_bytes
from homecluster.launch.pip_step import Fetching
from homecluster.store.engine_store import Engine

_BAR_COLUMNS = 20


def show_engines(engines: Iterable[Engine], places: str) -> None:
    out = console()
    titles = ("engine", "vllm", "torch", "ray", "disk", "installed", "")
    table = plain_table(*titles, right=("disk",), folds=("engine", ""))
    for engine in engines:
        manifest = engine.manifest
        table.add_row(
            engine.name,
            manifest.vllm,
            manifest.torch,
            manifest.ray,
            format_bytes(manifest.disk_bytes),
            manifest.installed_at[:10],
            "" if is_current(engine) else "[yellow]of another homecluster: remove it[/]",
        )
    if table.row_count:
        out.print(table)
    else:
        out.say(f"no engine in {places}; install one: homecluster engine install")


class SaysProgress(Protocol):
    def __call__(self, progress: Step | Fetching) -> None: ...


@contextmanager
def installing() -> Iterator[SaysProgress]:
    """Shows on stderr which step is at work, and how far a download is."""
    out = progress_console()
    if not out.is_terminal:
        yield _plain_progress(out)
        return
    sizes = DownloadColumn(table_column=Column(no_wrap=True))
    columns = (what_happens(), BarColumn(_BAR_COLUMNS), sizes)
    bar = Progress(*columns, console=out, transient=True, expand=True)
    with bar:
        task = bar.add_task("", total=None)

        def say(progress: Step | Fetching) -> None:
            match progress:
                case Step(number=number, of=of, title=title):
                    bar.console.print(f"  {number}/{of} {escape(title)}")
                case Fetching(file=file, done_bytes=done, total_bytes=total):
                    bar.update(task, description=escape(file), completed=done, total=total or None)

        yield say


def _plain_progress(out: Console) -> SaysProgress:
    def say(progress: Step | Fetching) -> None:
        if isinstance(progress, Step):
            out.print(f"  {progress.number}/{progress.of} {escape(progress.title)}")
        elif progress.total_bytes and progress.done_bytes == progress.total_bytes:
            out.print(f"      {escape(progress.file)} ({format_bytes(progress.total_bytes)})")

    return say
