import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from homecluster.launch.bounded_log import BoundedLog, earlier, split_lines


def test_a_log_holds_at_most_two_times_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    log = BoundedLog(path, limit_bytes=1000)
    for number in range(500):
        log.write(b"line %03d" % number)
    assert path.stat().st_size <= 1000
    assert earlier(path).stat().st_size <= 1000
    assert path.read_text().endswith("line 499\n")
    assert sorted(tmp_path.iterdir()) == [path, earlier(path)]


def test_a_secret_is_neither_in_the_file_nor_in_the_tail(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "engine.log", secrets=("s3cret",))
    log.write(b"Authorization: Bearer s3cret")
    assert log.tail() == ("Authorization: Bearer [secret]",)
    assert "s3cret" not in (tmp_path / "engine.log").read_text()


def test_only_its_user_may_read_a_log(tmp_path: Path) -> None:
    BoundedLog(tmp_path / "engine.log").write(b"x")
    assert stat.S_IMODE((tmp_path / "engine.log").stat().st_mode) == 0o600


def test_a_progress_bar_becomes_lines() -> None:
    assert split_lines(b"", b"0 %\r50 %\r\n100 %\rlast") == ([b"0 %", b"50 %", b"100 %"], b"last")


@given(
    st.lists(st.binary(min_size=1).filter(lambda b: b.strip() and not {10, 13} & set(b))),
    st.integers(1, 9),
)
def test_lines_are_the_same_however_the_pipe_cuts_them(lines: list[bytes], size: int) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    pending, found = b"", []
    for start in range(0, len(stream), size):
        whole, pending = split_lines(pending, stream[start : start + size])
        found += whole
    assert found == lines
    assert pending == b""
