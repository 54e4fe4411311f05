"""A table loses nothing, however narrow the terminal is."""

import io
from contextlib import redirect_stdout

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homecluster.cli.render_console import console, plain_table

CELLS = st.text("abc", min_size=1, max_size=25)


def shown(rows: list[tuple[str, str, str]], columns: int) -> str:
    with redirect_stdout(io.StringIO()) as out:
        page = console()
        page.width = columns
        table = plain_table("job", "state", "memory", right=("memory",), folds=("state",))
        for row in rows:
            table.add_row(*row)
        page.print(table)
    return out.getvalue()


@settings(max_examples=40)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=3), st.integers(40, 120))
def test_law_every_cell_is_read_whole(rows: list[tuple[str, str, str]], columns: int) -> None:
    lines = shown(rows, columns).splitlines()
    assert all(len(line) <= columns for line in lines)
    words = " ".join(lines).split()
    assert [cell for row in rows for cell in row if cell not in words] == []


@pytest.mark.parametrize(("columns", "begins"), [(60, "job "), (40, "gpt2-8000-412371\n  state")])
def test_rows_stand_one_below_the_other_only_where_a_table_does_not_fit(
    columns: int, begins: str
) -> None:
    assert shown([("gpt2-8000-412371", "running", "3.17 GiB of memory")], columns).startswith(
        begins
    )
