"""`homecluster engine install`, `list` and `remove`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from homecluster import wiring
from homecluster.app import engine as use_case
from homecluster.app import engine_peers
from homecluster.app.engine_install import install_engine
from homecluster.app.training_packages import install_training
from homecluster.cli import render_engines
from homecluster.cli.aside import aside
from homecluster.cli.output import print_document
from homecluster.domain.hardware import DeviceKind
from homecluster.domain.units import format_bytes
from homecluster.errors import InputError, MissingError
from homecluster.store.engine_lock import bundled_lock
from homecluster.store.engine_store import Engine

SCHEMA = "homecluster.engines/1"
_json = click.option("--json", "as_json", is_flag=True, help="Print one document.")


@click.group()
def engine() -> None:
    """The pinned vLLM environments of this PC, apart from homecluster's own."""


@engine.command()
@click.option("--cpu", "is_cpu", is_flag=True, help="vLLM for the CPU.")
@click.option("--cuda", "is_cuda", is_flag=True, help="vLLM for NVIDIA GPUs.")
@click.option("--training", is_flag=True, help="Also DeepSpeed, for `up --train`.")
@click.option(
    "--from-peers",
    is_flag=True,
    help="Its wheels from an operator's PC of the cluster, not from a registry.",
)
@_json
def install(*, is_cpu: bool, is_cuda: bool, training: bool, from_peers: bool, as_json: bool) -> int:
    """Install the engine for this PC's GPU, or its CPU.

    For CUDA where there is an NVIDIA GPU, else for the CPU. A second call is instant; an interrupted one goes on where it stopped.
    """
    wanted = _kind(is_cpu=is_cpu, is_cuda=is_cuda)
    lock = bundled_lock(wanted)
    room = format_bytes(lock.disk_bytes)
    aside(
        f"the {wanted} engine, vLLM {lock.vllm_version}: reused if it is there, else minutes and up to {room}"
    )
    with render_engines.installing() as tell:
        wheels = _wheels_of_peers(wanted) if from_peers else None
        installed = install_engine(wiring.paths(), wanted, tell, wheels=wheels)
        engine_peers.forget_wheels(wiring.paths())
        if training:
            install_training(installed, tell)
    if as_json:
        print_document({"schema": SCHEMA, "engines": [_table(installed)]})
    else:
        click.echo(f"ready: {installed.path}")
    return 0


def _kind(*, is_cpu: bool, is_cuda: bool) -> DeviceKind:
    if is_cpu and is_cuda:
        raise InputError(
            "--cpu and --cuda are two engines: install one after the other",
            hint="homecluster engine install --cpu",
        )
    if is_cpu or is_cuda:
        return DeviceKind.CPU if is_cpu else DeviceKind.CUDA
    return wiring.default_engine_kind()


def _wheels_of_peers(kind: DeviceKind) -> Callable[[], Path]:
    members = wiring.members()
    if members is None:
        raise MissingError("this PC is in no cluster", hint="homecluster join makes it a member.")
    return lambda: engine_peers.pull_wheels(wiring.paths(), kind, members, aside)


@engine.command("list")
@_json
def list_(*, as_json: bool) -> int:
    """List the installed engines."""
    paths = wiring.paths()
    engines = use_case.list_engines(paths)
    if as_json:
        print_document({"schema": SCHEMA, "engines": [_table(one) for one in engines]})
    else:
        render_engines.show_engines(engines, str(paths.engines))
    return 0


@engine.command()
@click.argument("name")
@_json
def remove(*, name: str, as_json: bool) -> int:
    """Delete the engine NAME.

    NAME may be `cpu`, `cuda`, or `partial`: what interrupted installations left.
    """
    paths = wiring.paths()
    use_case.remove_engine(paths, name)
    if as_json:
        left = [_table(one) for one in use_case.list_engines(paths)]
        print_document({"schema": SCHEMA, "engines": left})
    else:
        click.echo(f"removed {name}")
    return 0


def _table(one: Engine) -> dict[str, object]:
    return {
        "name": one.name,
        "path": str(one.path),
        "current": use_case.is_current(one),
        **asdict(one.manifest),
    }
