"""Which of a plan set's plans `up` launches, and in which way: on this PC, as a gang, or as whole copies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from homecluster.app import copies_up, gang_ready, gang_trust, gang_up
from homecluster.app import up as single
from homecluster.app.copies_places import Home
from homecluster.app.dry_run import DryRun
from homecluster.app.dry_run import dry_run as dry_run_here
from homecluster.app.live_cluster import live_cluster
from homecluster.app.member_nodes import renamed
from homecluster.app.model_files import Tell
from homecluster.app.ports import Members
from homecluster.app.up import Here, Up, Wanted, check_any, is_on
from homecluster.domain.hardware import Provenance
from homecluster.domain.plan import Backend, Plan, PlanSet
from homecluster.domain.topology import Cluster
from homecluster.domain.units import format_bytes
from homecluster.errors import InputError, MissingError


def home_of(here: Here, members: Members | None, tell: Tell) -> Home:
    """This PC with its cluster; alone where it is in none, or where its agent does not run."""
    alone = Home(here=here, members=None, cluster=Cluster(nodes=(here.node,)))
    if members is None:
        return alone
    try:
        everybody = members.members()
        cluster = live_cluster(members)
    except MissingError as error:
        tell(f"note: {error.message}, so this PC is used alone ({error.hint})")
        return alone
    own = next((one.node for one in everybody if one.is_here), here.node.id)
    return Home(here=replace(here, node=renamed(here.node, own)), members=members, cluster=cluster)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `up` is told about how to launch, beyond the plan."""

    backend: Backend | None = None
    """Who shall join the PCs of one copy; None: by rule."""
    fewer: bool = False
    """Go on when some copies fail to start."""
    trust_network: bool = False
    """The user trusts everybody in the network with a gang's open ports."""


class Launcher(Protocol):
    """One way to launch; made ready, nothing started yet."""

    def notes(self) -> Iterable[str]:
        """What the user should know before the start."""
        ...

    def launch(self, tell: Tell) -> Up: ...


def choose(home: Home, plans: PlanSet) -> Plan:
    """The best plan that `up` can launch.

    Raises:
        HomeclusterError: nothing fits (exit 1).
        InputError: only layouts were asked for that no way launches.
    """
    check_any(plans)
    for plan in plans.plans:
        if is_on(plan, home.here.node) or gang_up.is_for_gang(plan):
            return plan
        if copies_up.is_for_copies(plan, home.cluster, home.here.node.id):
            return plan
    raise InputError(
        "`up` does not launch several copies of which each spans PCs, and only those were asked for",
        hint="pin one copy (--replicas 1), or whole copies (--tensor-parallel 1 --pipeline-parallel 1)",
    )


def dry_run(home: Home, plans: PlanSet, wanted: Wanted, options: Options) -> DryRun:
    """What the best plan would start, and what is missing for it; starts nothing.

    Raises:
        HomeclusterError: as each way says.
    """
    plan = choose(home, plans)
    if is_on(plan, home.here.node):
        return dry_run_here(home.here, plans, plan, wanted)
    if gang_up.is_for_gang(plan):
        ready = _ready_gang(home, plans, plan, wanted, options, dry_run=True)
        return gang_up.dry_run_gang(ready, wanted)
    return copies_up.dry_run_copies(home, plans, plan, wanted)


def make_ready(home: Home, plans: PlanSet, wanted: Wanted, options: Options) -> Launcher:
    """The way for the best plan; every PC of it was asked what it brings.

    Raises:
        HomeclusterError: as each way says.
    """
    plan = choose(home, plans)
    if is_on(plan, home.here.node):
        return _Single(home, plans, plan, wanted)
    if gang_up.is_for_gang(plan):
        return _Gang(home, plans, plan, wanted, options)
    return _Copies(home, plans, plan, wanted, options)


def unmeasured(home: Home, plan: Plan) -> tuple[str, ...]:
    """Names of the plan's devices whose speed is a guess or from a data sheet, with their PC."""
    return tuple(
        f"{device.name} of {device.node_id}" if len(home.cluster.nodes) > 1 else device.name
        for device in home.cluster.devices()
        if device.id in plan.layout.devices
        and device.provenance_of("memory_bandwidth_bytes_per_s")
        not in (Provenance.MEASURED, Provenance.CALIBRATED)
    )


def _model_notes(without_model: Iterable[str], files_bytes: int) -> Iterable[str]:
    """What the PCs that lack the model do first."""
    for name in without_model:
        if not files_bytes:
            yield f"{name} fetches or makes the model first"
        else:
            yield (
                f"{name} copies {format_bytes(files_bytes)} of model files over your network first; "
                "on a metered link (a phone's hotspot) bring them there by a disk instead"
            )


class _Single:
    def __init__(self, home: Home, plans: PlanSet, plan: Plan, wanted: Wanted) -> None:
        self._here, self._plans, self._plan, self._wanted = home.here, plans, plan, wanted

    def notes(self) -> Iterable[str]:
        return ()

    def launch(self, tell: Tell) -> Up:
        return single.launch(self._here, self._plans, self._plan, self._wanted, tell)


class _Gang:
    def __init__(
        self, home: Home, plans: PlanSet, plan: Plan, wanted: Wanted, options: Options
    ) -> None:
        self._here, self._plans, self._plan, self._wanted = home.here, plans, plan, wanted
        self._trust = options.trust_network
        self._ready = _ready_gang(home, plans, plan, wanted, options, dry_run=False)

    def notes(self) -> Iterable[str]:
        return _model_notes(gang_up.not_here_yet(self._ready), self._ready.files_bytes)

    def launch(self, tell: Tell) -> Up:
        del tell
        open_on = gang_up.open_on(self._ready)
        gang_trust.check_trust(self._here.paths, open_on, declared=self._trust)
        return gang_up.launch_gang(self._here, self._plans, self._plan, self._wanted, self._ready)


def _ready_gang(
    home: Home, plans: PlanSet, plan: Plan, wanted: Wanted, options: Options, *, dry_run: bool
) -> gang_ready.Ready:
    assert home.members is not None
    return gang_ready.make_ready(
        home.members,
        home.cluster,
        plans,
        plan,
        wanted,
        here=home.here.paths,
        backend=options.backend,
        dry_run=dry_run,
    )


class _Copies:
    def __init__(
        self, home: Home, plans: PlanSet, plan: Plan, wanted: Wanted, options: Options
    ) -> None:
        self._home, self._plans, self._plan, self._wanted = home, plans, plan, wanted
        self._fewer = options.fewer
        self._ready = copies_up.make_ready(home, plans, plan, wanted)

    def notes(self) -> Iterable[str]:
        return _model_notes(self._ready.without_model, self._ready.files_bytes)

    def launch(self, tell: Tell) -> Up:
        del tell
        return copies_up.launch_copies(
            self._home.here, self._plans, self._plan, self._wanted, self._ready, fewer=self._fewer
        )
