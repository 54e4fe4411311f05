"""The use case `diagnose`: what is known -> causes; from documents, from a running job, or from this PC as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from homecluster.app.job_workload import job_workload
from homecluster.app.jobs import JobView
from homecluster.app.link_signs import link_signs
from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.ids import NodeId
from homecluster.domain.model import ModelSpec
from homecluster.domain.signs import LinkSigns, Signs
from homecluster.domain.small_collectives import SmallCollectives
from homecluster.domain.topology import Cluster
from homecluster.domain.workload import Serve
from homecluster.errors import InputError
from homecluster.planner.diagnosis import diagnose, diagnose_signs
from homecluster.planner.problem import Pins
from homecluster.store.files import read_json
from homecluster.store.paths import Paths
from homecluster.store.signs_document import SCHEMA as SIGNS_SCHEMA
from homecluster.store.signs_document import read_signs
from netprobe.matrix import SCHEMA as MATRIX_SCHEMA
from netprobe.report import SCHEMA as REPORT_SCHEMA
from netprobe.report import parse_report
from netprobe.types import Report

_NEWEST_REPORTS = 64
_UP = ("homecluster", "up", "--model")
_FRESH = timedelta(days=7)
"""A trouble of last month is no reason for today's speed."""


def signs_of_file(path: Path, cluster: Cluster) -> Signs:
    """What a document of signs, of one probe or of a matrix of probes says.

    Raises:
        InputError: the file is unreadable, cut off, or another document; names both that are read.
    """
    document = read_json(path, "diagnosis file")
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema == SIGNS_SCHEMA:
        return read_signs(document, str(path))
    if schema == MATRIX_SCHEMA:
        return Signs(links=_links_of_matrix(document, cluster, path))
    if schema != REPORT_SCHEMA:
        raise InputError(
            f"{path} is none of {SIGNS_SCHEMA}, {REPORT_SCHEMA} and {MATRIX_SCHEMA}",
            hint="a cluster document goes with --cluster; `diagnose --save FILE`, `netprobe run --json` and `netprobe matrix --json` write what can be read here.",
        )
    try:
        report = parse_report(document)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    return Signs(links=_links(report, cluster))


def _links_of_matrix(
    document: dict[str, Any], cluster: Cluster, path: Path
) -> tuple[LinkSigns, ...]:
    """Every pair's links; those of pairs that slowed each other down know by how much."""
    try:
        reports = [parse_report(one) for one in document["reports"]]
        together = {
            frozenset(pair): one["together_bytes_per_s"] / one["alone_bytes_per_s"]
            for one in document["shared"]
            for pair in one["pairs"]
        }
        return tuple(
            replace(link, together_ratio=together.get(frozenset((report.src, report.dst))))
            for report in reports
            for link in _links(report, cluster)
        )
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise InputError(f"{path} is damaged: {error!r}") from error


def saved_links(paths: Paths, cluster: Cluster, now: datetime) -> tuple[LinkSigns, ...]:
    """The newest probe of each pair of PCs, as signs; old ones and files that cannot be read are passed over."""
    if not paths.links.is_dir():
        return ()
    files = sorted(paths.links.glob("*.json"), reverse=True)[:_NEWEST_REPORTS]
    found: dict[frozenset[NodeId], tuple[LinkSigns, ...]] = {}
    for path in files:
        try:
            report = parse_report(read_json(path, "measurement"))
            links = _links(report, cluster) if _is_fresh(report, now) else ()
        except (InputError, ValueError, AttributeError, TypeError):
            continue
        if links:
            found.setdefault(frozenset((links[0].src, links[0].dst)), links)
    return tuple(link for links in found.values() for link in links)


def _is_fresh(report: Report, now: datetime) -> bool:
    return now - datetime.fromisoformat(report.started_at) <= _FRESH


def _links(report: Report, cluster: Cluster) -> tuple[LinkSigns, ...]:
    """Of PCs that the cluster knows by name, host name or address; by the report's own names otherwise."""
    src = _known(cluster, report.src, report.src_address)
    dst = _known(cluster, report.dst, report.dst_address)
    return link_signs(report, src, dst) if src != dst else ()


def _known(cluster: Cluster, name: str, address: str | None) -> NodeId:
    for node in cluster.nodes:
        if name in (node.id, node.hostname) or (address or name) in node.addresses:
            return node.id
    return NodeId(name)


def diagnose_job(view: JobView, cluster: Cluster, spec: ModelSpec, signs: Signs) -> Diagnosis:
    """What holds a running or starting job back: its own layout is judged, with the requests that it has now.

    Where the planner knows no such layout (a PC of the job is unknown by now), what was seen is judged alone:
    a job that runs can run.
    """
    plan = view.launch.plan
    pins = Pins(
        tensor_parallel=plan["tensor_parallel"],
        pipeline_parallel=plan["pipeline_parallel"],
        replicas=plan["replicas"],
        partition=tuple(plan["partition"]) if plan["pipeline_parallel"] > 1 else None,
        small_collectives=SmallCollectives(plan.get("small_collectives", "engine")),
    )
    cluster = _as_before_the_job(cluster)
    workload = _workload_now(view, signs)
    on = frozenset(NodeId(name) for name in plan["nodes"])
    named = replace(spec, name=view.launch.model)
    found = diagnose(cluster, named, workload, pins, signs, on=on)
    if found.judged is None:
        return diagnose_signs(cluster, signs)
    return _with_random_weights(found) if view.launch.random_weights else found


def _with_random_weights(diagnosis: Diagnosis) -> Diagnosis:
    """Every remedy that starts the model again starts it as it was."""
    causes = tuple(
        replace(cause, remedy=replace(cause.remedy, argv=(*cause.remedy.argv, "--random-weights")))
        if cause.remedy.argv[:3] == _UP
        else cause
        for cause in diagnosis.causes
    )
    return replace(diagnosis, causes=causes)


def _workload_now(view: JobView, signs: Signs) -> Serve:
    planned = job_workload(view)
    running = signs.job.requests_running if signs.job else None
    if not running:
        return planned
    return replace(planned, concurrent_requests=max(1, round(running)), request_rate_per_s=None)


def _as_before_the_job(cluster: Cluster) -> Cluster:
    """The job itself holds memory now; the question is about its speed, not whether it fits again."""
    nodes = tuple(
        replace(
            node,
            devices=tuple(
                replace(device, memory_free_bytes=device.memory_total_bytes)
                for device in node.devices
            ),
        )
        for node in cluster.nodes
    )
    return replace(cluster, nodes=nodes)


def diagnose_plan(
    cluster: Cluster, spec: ModelSpec, workload: Serve, pins: Pins, signs: Signs
) -> Diagnosis:
    """What would hold a plan back."""
    return diagnose(cluster, spec, workload, pins, signs)


def diagnose_home(cluster: Cluster, signs: Signs) -> Diagnosis:
    """What is wrong with PCs and links, whatever runs on them."""
    return diagnose_signs(cluster, signs)
