"""The files of a model that one PC has reach the PC that shares a copy with it, over a real home and by itself."""

from __future__ import annotations

import shutil

import pytest

from tests.cluster.gang_home import MODEL, gang_home
from tests.lab.availability import require_lab
from tests.waiting import within

pytestmark = [pytest.mark.lab, pytest.mark.slow]

WEIGHTS = bytes(range(256)) * 8192
"""Four chunks."""


def test_a_gang_brings_the_model_to_the_pc_that_lacks_it_and_ends_the_offer() -> None:
    require_lab()
    with gang_home() as home:
        model = home.a.state / "models" / MODEL
        (model / "model.safetensors").write_bytes(WEIGHTS)
        shutil.rmtree(home.b.state / "models" / MODEL)
        assert home.a.type("probe", "--quick", "--json", timeout_s=200).returncode == 0

        job = home.start()
        assert home.answers()
        (copied,) = home.b.state.glob(f"models/{MODEL}-*/")
        wanted = ("config.json", "model.safetensors")
        assert {name: (copied / name).read_bytes() for name in wanted} == {
            name: (model / name).read_bytes() for name in wanted
        }
        (argv,) = home.b.state.glob("shares/*/launch.json")
        assert str(copied) in argv.read_text()
        assert '"b"' not in "".join(one.read_text() for one in home.a.state.glob("offers/*.json"))

        assert home.a.type("down", job, timeout_s=90).returncode == 0
        within(30, lambda: not home.left(), lambda: str(home.left()))
