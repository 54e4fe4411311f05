"""What pip said when each of these happened, by pip 26.3."""

import pytest

from homecluster.launch.pip_step import Fetching, _follow, failure_of

ABSENT = """\
ERROR: Could not find a version that satisfies the requirement torch==2.13.0+cpu (from versions: 2.6.0, 2.13.0)
ERROR: No matching distribution found for torch==2.13.0+cpu
"""
NO_NETWORK = """\
WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError("HTTPSConnection(host='index.example', port=443): Failed to establish a new connection: [Errno -3] Temporary failure in name resolution")': /simple/six/
ERROR: Could not find a version that satisfies the requirement six==1.17.0 (from versions: none)
ERROR: No matching distribution found for six==1.17.0
"""
FULL = """\
ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device
"""
DOWNLOAD = """\
Collecting torch==2.13.0+cpu
  Downloading torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl (190.1 MB)
Progress 0 of 199300000
Progress 99650000 of 199300000
Progress 199300000 of 199300000
Installing collected packages: torch
Successfully installed torch-2.13.0+cpu
"""


@pytest.mark.parametrize(
    ("said", "trouble", "line"),
    [
        (ABSENT, "absent", "No matching distribution found for torch==2.13.0+cpu"),
        (NO_NETWORK, "network", "No matching distribution found for six==1.17.0"),
        (FULL, "disk", "Could not install packages due to an OSError: [Errno 28] No space left on device"),
        ("Segmentation fault", "other", "Segmentation fault"),
        ("", "other", "pip failed"),
    ],
)  # fmt: skip
def test_a_failure_is_told_by_kind_in_pips_own_words(said: str, trouble: str, line: str) -> None:
    failure = failure_of(said.splitlines())
    assert (failure.trouble, failure.line) == (trouble, line)


def test_a_download_is_told_byte_by_byte() -> None:
    told: list[Fetching] = []
    _follow(iter(DOWNLOAD.splitlines(keepends=True)), told.append)
    name = "torch-2.13.0%2Bcpu-cp311-cp311-manylinux_2_28_x86_64.whl"
    assert [(one.file, one.done_bytes, one.total_bytes) for one in told] == [
        (name, 0, 0),
        (name, 0, 199300000),
        (name, 99650000, 199300000),
        (name, 199300000, 199300000),
    ]
