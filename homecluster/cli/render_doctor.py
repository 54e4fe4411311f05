"""The checks of `doctor` as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.text import Text

from homecluster.cli.render_console import console
from homecluster.domain.check import Check, Mark

_INDENT = 6
_STYLE = {Mark.PASS: "green", Mark.WARN: "yellow", Mark.FAIL: "bold red"}


def show(checks: Sequence[Check], mended: Sequence[tuple[str, str]]) -> None:
    """The worst in one sentence, then a line for each check, with what to do below."""
    out = console()
    out.print(_summary(checks))
    for check in checks:
        mark = f"[{_STYLE[check.mark]}]{check.mark.value:>4}[/]"
        line = Text.from_markup(f"{mark}  {check.id}: {escape(check.says)}")
        out.print(out.hung(line, _INDENT))
        if check.fix:
            out.say(f"        do: {check.fix}")
    for name, did in mended:
        out.print(f"[green]mended[/] {escape(name)}: {escape(did)}")


def _summary(checks: Sequence[Check]) -> str:
    failing = [check.id for check in checks if check.mark is Mark.FAIL]
    warning = [check.id for check in checks if check.mark is Mark.WARN]
    if failing:
        return f"[bold red]{len(failing)} of {len(checks)} checks fail:[/] {', '.join(failing)}"
    if warning:
        return f"[yellow]nothing fails; {len(warning)} of {len(checks)} checks warn:[/] {', '.join(warning)}"
    return f"[bold green]all {len(checks)} checks pass[/]"
