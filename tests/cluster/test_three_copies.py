"""One of three PCs is cut off while OpenAI's client streams: only what was half answered there is lost, and told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homecluster.store.engine_store import Engine
from tests.cluster.pcs import Pc
from tests.fakes.gang_engine import make_engine, make_model
from tests.lab.availability import require_lab
from tests.lab.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.engine]

PORT = 8000
_CLIENT = Path(__file__).with_name("openai_load.py")


def test_a_pc_closed_mid_stream_costs_only_the_streams_it_had_begun(
    engine: Engine, tmp_path: Path
) -> None:
    require_lab()
    engines, model = tmp_path / "engines", make_model(tmp_path / "models")
    make_engine(engines)
    with Lab("wifi5", hosts=3) as lab:
        pcs = [Pc(host=lab.host(n), env={"HOMECLUSTER_ENGINES": str(engines)}) for n in "abc"]
        a, *others = pcs
        a.create()
        for pc in others:
            joined = pc.join(a.token())
            assert joined.returncode == 0, joined.stderr
        job = a.document(
            *("up", "--model", model, "--replicas", "3", "--concurrency", "12", "--detach"),
            *("--prompt-tokens", "16", "--output-tokens", "16", "--port", str(PORT)),
            timeout_s=280,
        )
        assert job["state"] == "running"

        load = a.host.popen(
            [str(engine.python), str(_CLIENT), str(PORT), "toy"], stdout=-1, text=True
        )
        assert load.stdout is not None
        assert load.stdout.readline().strip() == "begun"
        lab.link("c").down()
        said, _ = load.communicate(timeout=200)
        came = json.loads(said)

        assert came["answers"] == ["whole"] * 6
        lost = [one for one in came["streams"] if one != "whole"]
        assert 1 <= len(lost) <= 4, came  # a third of twelve requests
        assert all("the copy c was lost in the middle of this answer" in one for one in lost)
        assert a.type("down", "--all", timeout_s=120).returncode == 0
