"""Ranks of one start of the training grid: on emulated PCs, ordered about by rank 0's stdin."""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.grid.cells import LINKS
from benchmarks.grid.world import grid_lab, set_links
from benchmarks.training_cells import (
    BATCH,
    CONFIG,
    LORA_RANK,
    SEQUENCE_TOKENS,
    Cell,
    cores_of,
)
from homecluster.app.training_packages import find_training
from homecluster.domain.hardware import DeviceKind, DType
from homecluster.domain.training import Offload
from homecluster.engines.deepspeed import deepspeed_config
from homecluster.store.engine_store import Engine
from tests.lab.homes import host_names

_RANK: Final = Path(__file__).with_name("training_rank.py")
_PORT: Final = 29500
_BEGINS_IN: Final = "1gbe"
_END_WITHIN_S: Final = 30.0


class Start:
    """So many PCs of a home, one rank of DeepSpeed on each; all ended with the block."""

    def __init__(self, engine: Engine, hosts: int) -> None:
        self._engine = engine
        self._names = host_names(hosts)
        self._ranks: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._lab = stack.enter_context(grid_lab(len(self._names), _BEGINS_IN))
            model = self._model(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            for rank, name in enumerate(self._names):
                self._lab.set_cpu_cores(name, cores_of(len(self._names)))
                self._ranks.append(stack.enter_context(self._started(rank, model)))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        first = self._ranks[0]
        assert first.stdin is not None
        first.stdin.close()
        try:
            for rank in self._ranks:
                rank.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            pass  # the block's end kills them
        finally:
            self._stack.close()

    def link(self, home: str) -> None:
        """Every PC's link is that home's from now on."""
        set_links(self._lab, LINKS[home](len(self._names)))

    def begin(self, cell: Cell) -> None:
        """The next training; its weights are sent around over a quick link."""
        self.link(_BEGINS_IN)
        samples = BATCH // cell.hosts
        config = deepspeed_config(
            kind=DeviceKind.CPU,
            dtype=DType.BF16,
            zero_stage=cell.stage,
            offload=Offload.NONE,
            overlap=False,
            micro_batch=samples,
            gradient_accumulation=1,
        )
        settings = {
            "method": str(cell.method), "sequence": SEQUENCE_TOKENS, "micro_batches": [samples] * cell.hosts,
            "accumulation": 1, "steps": None, "save_every": 1, "lora_rank": LORA_RANK, "seed": 0,
            "held_out": 0.0, "deepspeed": config,
        }  # fmt: skip
        self._tell({"settings": settings})
        self.steps(1)  # Adam makes its moments, torch its buffers

    def steps(self, count: int) -> dict[str, Any]:
        """Seconds of so many steps, one before them left out; modules, and the collectives of the last."""
        self._tell({"steps": count + 1})
        assert self._ranks[0].stdout is not None
        line = self._ranks[0].stdout.readline()
        if not line:
            raise RuntimeError("rank 0 ended; its words are above")
        told: dict[str, Any] = json.loads(line)
        return told | {"step_s": told["step_s"][1:]}

    def _tell(self, order: dict[str, Any]) -> None:
        stdin = self._ranks[0].stdin
        assert stdin is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()

    def _model(self, folder: Path) -> Path:
        config, model = folder / "config.json", folder / "model"
        config.write_text(json.dumps(CONFIG))
        job = ("-m", "homecluster.jobs.random_model", "--seed", "0")
        argv = [str(self._engine.python), *job, "--config", str(config), "--out", str(model)]
        subprocess.run(argv, check=True, capture_output=True)
        return model

    def _started(self, rank: int, model: Path) -> Any:
        host = self._lab.host(self._names[rank])
        interface = self._lab.plan.interface(host.name, None).name
        env = {
            "PYTHONPATH": str(find_training(self._engine)),
            "PATH": f"{self._engine.python.parent}:{host.environment['PATH']}",
            "HF_HUB_OFFLINE": "1", "DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": interface, "TP_SOCKET_IFNAME": interface,
            "RANK": str(rank), "WORLD_SIZE": str(len(self._names)),
            "MASTER_ADDR": self._lab.host(self._names[0]).address, "MASTER_PORT": str(_PORT),
        }  # fmt: skip
        return host.running(
            [str(self._engine.python), str(_RANK), str(model)],
            env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
