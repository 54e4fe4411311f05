"""Where the weights that a job serves lie on this PC; fetched or made where they are not there yet."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from homecluster.errors import HomeclusterError, InputError, LaunchError, MissingError
from homecluster.launch.engine_tool import Finished, run_tool
from homecluster.store.engine_store import Engine
from homecluster.store.files import write_json
from homecluster.store.models import FoundModel, weights_folder
from homecluster.store.paths import Paths

SEED = 0
_MAKE_LIMIT_S = 3600.0
_FETCH_LIMIT_S = 24 * 3600.0
_TOOL_VARIABLES = (("HF_HUB_DISABLE_TELEMETRY", "1"), ("OMP_NUM_THREADS", "1"))

Tell = Callable[[str], None]


def random_folder(paths: Paths, found: FoundModel) -> Path:
    """Where this configuration's random weights are kept: one folder for one shape and seed."""
    shape = json.dumps([SEED, found.config], sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", found.spec.name).strip("-.") or "model"
    return paths.models / f"{name}-random-{hashlib.sha256(shape.encode()).hexdigest()[:8]}"


def local_folder(paths: Paths, found: FoundModel, *, random_weights: bool) -> Path | None:
    """The model's folder with weights as it is now, None where there is none."""
    if not random_weights:
        return weights_folder(found, os.environ)
    folder = random_folder(paths, found)
    return folder if folder.is_dir() else None


def provide_folder(
    paths: Paths, found: FoundModel, engine: Engine, *, random_weights: bool, tell: Tell
) -> Path:
    """The model's folder, made or fetched if need be.

    Raises:
        MissingError: the hub does not give it, or the disk has no room.
        InputError: this model cannot be made with random weights.
        LaunchError: making it failed for another reason.
    """
    there = local_folder(paths, found, random_weights=random_weights)
    if there is not None:
        return there
    if random_weights:
        return _make(paths, found, engine, tell)
    if found.hub_id is None:
        raise MissingError(
            f"{found.folder} holds no weights (*.safetensors)",
            hint="copy them there, or try the speed without them: --random-weights",
        )
    tell(f"fetching {found.hub_id} from the hub")
    argv = (str(engine.python), "-m", "homecluster.jobs.fetch_model", found.hub_id)
    done = run_tool(argv, os.environ, variables=_TOOL_VARIABLES, limit_s=_FETCH_LIMIT_S, tell=tell)
    _check(done, f"fetching {found.hub_id}")
    return Path(done.output.strip().splitlines()[-1])


def _make(paths: Paths, found: FoundModel, engine: Engine, tell: Tell) -> Path:
    folder = random_folder(paths, found)
    config = paths.models / f"{folder.name}.config.json"
    write_json(config, dict(found.config))
    tell(f"making random weights in the shape of {found.spec.name}")
    argv = (
        *(str(engine.python), "-m", "homecluster.jobs.random_model"),
        *("--config", str(config), "--out", str(folder), "--seed", str(SEED)),
    )
    try:
        done = run_tool(
            argv, os.environ, variables=_TOOL_VARIABLES, limit_s=_MAKE_LIMIT_S, tell=tell
        )
    finally:
        config.unlink(missing_ok=True)
    _check(done, f"making random weights for {found.spec.name}")
    return folder


def _check(done: Finished, what: str) -> None:
    """Raise what the program said in its last lines."""
    if done.code == 0:
        return
    kinds: dict[int, type[HomeclusterError]] = {2: InputError, 3: MissingError}
    said = [line.strip() for line in done.said if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in said if line.startswith("hint: ")]
    message = errors[-1] if errors else f"{what} failed: {said[-1] if said else 'no word why'}"
    raise kinds.get(done.code, LaunchError)(message, hint=hints[-1] if hints else None)
