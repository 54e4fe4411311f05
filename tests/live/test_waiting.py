"""vLLM's own queue with our plug-in: the message comes, and the reader has slept until then."""

import json
import subprocess
from pathlib import Path

import pytest

from homecluster.store.engine_store import Engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_a_reader_of_vllms_queue_sleeps_until_the_message_comes(
    engine: Engine, tmp_path: Path
) -> None:
    script = Path(__file__).with_name("waiting_reader.py")
    done = subprocess.run(
        [engine.python, script], capture_output=True, text=True, timeout=300, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    facts = json.loads(done.stdout.splitlines()[-1])
    assert facts["naps"]
    assert facts["heard"] == ["first", "second"]
    # A spinning reader is busy all the time that it is given; a sleeping one for some hundredths.
    assert facts["busy_s"] < facts["waited_s"] / 2, facts
