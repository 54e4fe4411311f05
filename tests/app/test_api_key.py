"""Which API key files are taken, and which are refused before they are read."""

from pathlib import Path

import pytest

from homecluster.app.api_key import read_api_key
from homecluster.errors import InputError


def test_the_key_is_the_file_without_its_line_end(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_text("0123456789abcdef\n")
    assert read_api_key(str(file)) == "0123456789abcdef"


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("0123456789abcdef\n")
    file.chmod(0o644)
    with pytest.raises(InputError, match="others on this PC"):
        read_api_key(str(file))


def test_a_device_that_never_ends_is_no_key_file() -> None:
    with pytest.raises(InputError, match="/dev/null is no file"):
        read_api_key("/dev/null")  # refused for what it is, as /dev/zero would be


def test_a_huge_key_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    with file.open("r+b") as opened:
        opened.truncate(100_000_000)
    with pytest.raises(InputError, match="no usable API key"):
        read_api_key(str(file))
