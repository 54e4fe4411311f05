"""What other PCs, engines and models say cannot steer the terminal of who reads it."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.markup import escape

from homecluster.cli.render_console import console, plain_table
from homecluster.domain.ids import NodeId
from homecluster.domain.job import Command, JobId, LaunchSpec
from homecluster.store.job_store import JobFolder, Launch, write_launch
from tests.cli.shell import run

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eback\r\x08"


@settings(max_examples=40)
@given(st.text(st.characters(categories=("Cc", "Cf", "Lu")), max_size=12))
def test_law_no_control_character_of_a_name_is_printed(name: str) -> None:
    with redirect_stdout(io.StringIO()) as out:
        page, table = console(), plain_table("name")
        table.add_row(escape(name))
        page.print(table)
        page.print(f"  {escape(name)} is a member")

    assert all(char.isprintable() or char in "\n\t" for char in out.getvalue())


@pytest.mark.parametrize("words", [("logs",), ("status",), ("status", "--json")], ids=" ".join)
def test_a_hostile_log_and_model_name_arrive_as_plain_text(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMECLUSTER_HOME", str(tmp_path))
    folder = JobFolder(path=tmp_path / "jobs" / "job")
    folder.path.mkdir(parents=True)
    command = Command(node=NodeId("a"), argv=("vllm",), env=(), ready_when="it answers")
    spec = LaunchSpec(commands=(command,), host="127.0.0.1", port=8000, served_model=HOSTILE)
    launch = Launch(
        job_id=JobId("job"), created_at="2026-01-01T00:00:00+00:00", engine="", model=HOSTILE,
        model_folder="", random_weights=True, start_limit_s=1.0, spec=spec, tied=False, plan={},
        workload={}, cluster_fingerprint=None,
    )  # fmt: skip
    write_launch(folder, launch)
    folder.engine_log.write_text(f"INFO {HOSTILE} is here\n")

    said = run(*words).out

    assert all(char.isprintable() or char in "\n\t" for char in said)
    assert "1b" in said
