"""What homecluster keeps is its user's alone."""

import stat
from pathlib import Path

from homecluster.store.files import write_private


def test_a_file_and_every_folder_made_for_it_are_closed_to_others(tmp_path: Path) -> None:
    file = tmp_path / "home" / "agent" / "state"
    write_private(file, b"")
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (file, file.parent, file.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]
