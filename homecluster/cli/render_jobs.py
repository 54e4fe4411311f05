"""Jobs as people read them: their commands, their start, how they are."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from homecluster.app.jobs import JobView
from homecluster.cli.render_console import console, plain_table
from homecluster.cli.render_probe import format_age
from homecluster.cli.render_progress import progress_console, what_happens
from homecluster.domain.job import (
    Command,
    Failed,
    JobState,
    LaunchSpec,
    Running,
    Starting,
    Stopped,
    is_over,
)
from homecluster.domain.units import format_bytes, format_rate, format_seconds
from homecluster.store.copies_store import read_now
from homecluster.store.job_document import state_name
from homecluster.store.training_store import read_training

_STYLES = {"running": "green", "starting": "cyan", "failed": "red", "stopped": "dim"}


def show_commands(spec: LaunchSpec) -> None:
    """Every command that would be started, as a shell would take it, with its environment."""
    out = console()
    for command in spec.commands:
        out.print(
            f"[bold]on {escape(command.node)}[/]  [dim](not started; ready when {escape(command.ready_when)})[/]"
        )
        if command.argv:
            out.print(escape(_shell_text(command)), soft_wrap=True)
    if spec.api_key_file:
        out.print(f"[dim]VLLM_API_KEY comes from {escape(spec.api_key_file)}, at the start only[/]")


def _shell_text(command: Command) -> str:
    variables = [f"{name}={shlex.quote(value)}" for name, value in command.env]
    return " \\\n  ".join(["env", *variables, shlex.join(command.argv)])


class SaysPhase(Protocol):
    def __call__(self, state: JobState) -> None: ...


@contextmanager
def starting(predicted_s: tuple[float, float, float]) -> Iterator[SaysPhase]:
    """Shows on stderr what the engine does, how long already, and how long it was predicted to take."""
    low, mid, high = map(format_seconds, predicted_s)
    out = progress_console()
    if not out.is_terminal:
        out.print(f"  ready was predicted after {mid} ({low} - {high})")
        yield _plain_phases(out)
        return
    expected = TextColumn(f"[dim]of {mid} predicted ({low} - {high})[/]")
    columns = (SpinnerColumn(), TimeElapsedColumn(), expected, what_happens())
    with Progress(*columns, console=out, transient=True, expand=True) as bar:
        task = bar.add_task("starting")

        def say(state: JobState) -> None:
            if isinstance(state, Starting):
                bar.update(task, description=escape(state.phase))

        yield say


def _plain_phases(out: Console) -> SaysPhase:
    begun_s = time.monotonic()

    def say(state: JobState) -> None:
        if isinstance(state, Starting):
            out.print(f"  {time.monotonic() - begun_s:5.1f} s  {escape(state.phase)}")

    return say


def show_ready(view: JobView) -> None:
    """Where it answers, what was predicted, and lines to try it."""
    out, launch = console(), view.launch
    spec, estimate = launch.spec, launch.plan["estimate"]
    took = format_seconds(view.state.start_up_s) if isinstance(view.state, Running) else "?"
    rate, token = estimate["output_tokens_per_s"], estimate["token_interval_s"]
    out.print(f"[green bold]running[/] {escape(view.folder.job_id)} after {took}: {spec.base_url}")
    out.print(
        f"  predicted [bold]{format_rate(rate['mid'])}[/] output tokens/s "
        f"({format_rate(rate['low'])} - {format_rate(rate['high'])}), "
        f"{format_seconds(token['mid'])} per token; homecluster bench measures it"
    )
    if launch.random_weights:
        out.print("  [yellow]random weights: the speed is real, the words are not[/]")
    key = ' -H "Authorization: Bearer $(cat KEYFILE)"' if spec.api_key_file else ""
    body = f'{{"model": "{spec.served_model}", "prompt": "Hello", "max_tokens": 16}}'
    out.print(f"  export OPENAI_BASE_URL={spec.base_url}", soft_wrap=True)
    out.print(
        escape(f"  curl {spec.base_url}/completions -H 'Content-Type: application/json'{key} -d '{body}'"),
        soft_wrap=True,
    )  # fmt: skip


def show_jobs(views: Sequence[JobView]) -> None:
    out = console()
    if not views:
        out.print("no job is running; start one: homecluster up --model gpt2")
        return
    table = plain_table("job", "state", "address", "model", "since", "memory", right=("memory",), folds=("state",))  # fmt: skip
    for view in views:
        name = state_name(view.state)
        table.add_row(
            escape(view.folder.job_id),
            f"[{_STYLES[name]}]{name}[/]{escape(_more(view.state))}",
            view.launch.spec.base_url if view.launch.spec.port else "-",
            escape(view.launch.model),
            _age(view.launch.created_at),
            format_bytes(view.memory_bytes) if view.memory_bytes else "-",
        )
    out.print(table)
    for view in views:
        _show_copies(out, view)
        _show_training(out, view)


def _show_copies(out: Console, view: JobView) -> None:
    """One line for each copy behind the job's address."""
    if is_over(view.state):
        return
    for copy in read_now(view.folder):
        how = "ready" if copy["serves"] else copy["failure"] or copy["phase"]
        details = copy["details"]
        batch = f", {details['batch']} requests at once" if "batch" in details else ""
        out.print(f"  copy on {escape(copy['name'])}: {escape(str(how))}[dim]{batch}[/]")


def _show_training(out: Console, view: JobView) -> None:
    """One line: how far, how fast, where, and where the result goes."""
    now = read_training(view.folder)
    if now is None:
        return
    where = f"on {' and '.join(now['nodes'])}, into {now['output']}"
    if now["step"] == 0:
        out.print(f"  no step yet {escape(where)}")
        return
    rates = f"{format_rate(now['samples_per_s'])} samples/s ({format_rate(now['predicted_samples_per_s'])} predicted)"
    out.print(
        f"  step {now['step']} of {now['steps']}: loss {now['loss']:.4g}, {rates} {escape(where)}"
    )


def _more(state: JobState) -> str:
    match state:
        case Starting(phase=phase):
            return f": {phase}"
        case Running(start_up_s=start_up_s):
            return f" (ready after {format_seconds(start_up_s)})"
        case Stopped(reason=reason) | Failed(reason=reason):
            return f": {reason}"


def _age(created_at: str) -> str:
    seconds = (datetime.now(UTC) - datetime.fromisoformat(created_at)).total_seconds()
    return format_age(max(0.0, seconds))


def show_ended(view: JobView) -> None:
    console().print(
        f"{escape(view.folder.job_id)}: {escape(state_name(view.state))}{escape(_more(view.state))}"
    )
