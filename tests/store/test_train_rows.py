"""A user's JSONL: three kinds of lines, and every mistake with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from homecluster.errors import InputError
from homecluster.store.train_rows import Row, read_rows


def written(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "data.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_three_kinds_of_lines_are_understood(tmp_path: Path) -> None:
    rows = read_rows(
        written(
            tmp_path,
            '{"text": "all"}',
            "",
            '{"prompt": "2+2=", "completion": "4"}',
            '{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}]}',
        )
    )
    assert rows == (
        Row(prompt="", learned="all"),
        Row(prompt="2+2=", learned="4"),
        Row(prompt="user: hi\nassistant: ", learned="yes"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1]",
        '{"text": ""}',
        '{"text": 3}',
        '{"prompt": "a"}',
        '{"messages": []}',
        '{"messages": [{"role": "user", "content": "x"}]}',
        '{"messages": ["x", {"role": "assistant", "content": "y"}]}',
        "[" * 100_000,
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError, match=r"data.jsonl:2: "):
        read_rows(written(tmp_path, '{"text": "good"}', line))


def test_a_missing_and_an_empty_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match="holds no sample"):
        read_rows(written(tmp_path, ""))
