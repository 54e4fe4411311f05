"""The cluster document (TOML by hand, JSON by `probe`) <-> Cluster."""

from __future__ import annotations

import re
import tomllib
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Final

from homecluster.domain.hardware import (
    Device,
    Interconnect,
    Node,
    Provenance,
    WslMode,
)
from homecluster.domain.ids import NodeId
from homecluster.domain.topology import Cluster, Curve, Link
from homecluster.domain.units import (
    UnitError,
    parse_bandwidth,
    parse_bytes,
    parse_ratio,
    parse_seconds,
)
from homecluster.errors import InputError
from homecluster.store.config_fields import shown
from homecluster.store.device_table import (
    MAX_DEVICES,
    Owner,
    assumed_cpu,
    read_devices,
)
from homecluster.store.fields import Fields, list_of, member, one_of, positive, text, whole_number
from homecluster.store.files import parse_json, read_text

SCHEMA: Final = "homecluster.cluster/1"
OS_NAMES: Final = ("linux", "wsl2", "macos", "windows")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def load_cluster(path: Path) -> Cluster:
    """The cluster that a document describes.

    Raises:
        InputError: with file, line or key, and the nearest valid spelling.
    """
    content = read_text(path, "cluster document")
    return parse_cluster(content, file=str(path), as_json=content.lstrip().startswith("{"))


def parse_cluster(content: str, *, file: str, as_json: bool) -> Cluster:
    """As `load_cluster`, of a text."""
    if as_json:
        document = parse_json(content, file)
    else:
        try:
            document = tomllib.loads(content)
        except RecursionError as error:
            raise InputError(f"{file}: not valid TOML: nested too deep") from error
        except (
            ValueError
        ) as error:  # TOMLDecodeError, and Python's own limit on the digits of a number
            raise InputError(f"{file}: not valid TOML: {error}") from error
    root = Fields(document, place="", file=file, text=content)
    root.allow("schema", "nodes", "links")
    if "schema" not in root.table:
        raise root.error("", f'the first line must be: schema = "{SCHEMA}"')
    schema = root.need("schema", text)
    if schema != SCHEMA:
        raise root.error("schema", f"{shown(schema)} is not {SCHEMA!r}")
    table = root.child("nodes")
    if table is None or not table.table:
        raise root.error(
            "nodes", "the cluster is empty: describe at least one PC under [nodes.NAME]"
        )
    nodes = tuple(_node(name, table) for name in islice(table.table, MAX_DEVICES + 1))
    if sum(len(node.devices) for node in nodes) > MAX_DEVICES:
        raise root.error(
            "nodes",
            f"{len(table.table)} PCs with more than {MAX_DEVICES} devices; homecluster plans at most {MAX_DEVICES}",
        )
    return Cluster(nodes=nodes, links=_links(root, {node.id for node in nodes}))


def _node(name: str, table: Fields) -> Node:
    fields = table.child(name)
    assert fields is not None
    if not _NAME.fullmatch(name):
        raise table.error(name, "a PC's name is letters, digits, '.', '_' and '-', at most 63")
    fields.allow(
        "os",
        "ram",
        "cores",
        "addresses",
        "observed_at",
        "versions",
        "wsl_mode",
        "hostname",
        "devices",
        "interconnect",
    )
    os_name = fields.get("os", one_of(OS_NAMES), "linux")
    cores = fields.get("cores", whole_number, 4)
    ram_bytes = fields.need("ram", positive(parse_bytes))
    node_id = NodeId(name)
    owner = Owner(node_id=node_id, ram_bytes=ram_bytes, cores=cores)
    devices: list[Device] = []
    for device in fields.children("devices"):
        devices.extend(read_devices(device, owner, devices))
    if not devices:
        devices.append(assumed_cpu(owner, "CPU"))
    versions = fields.child("versions")
    return Node(
        id=node_id,
        hostname=fields.get("hostname", text, name),
        os=os_name,
        ram_bytes=ram_bytes,
        cpu_cores=cores,
        devices=tuple(devices),
        interconnect=_interconnect(fields.child("interconnect")),
        wsl_mode=fields.get("wsl_mode", member(WslMode), None),
        addresses=fields.get("addresses", list_of(text), ()),
        versions=tuple((key, versions.need(key, text)) for key in versions.table)
        if versions
        else (),
        observed_at=fields.get("observed_at", text, None),
    )


def _interconnect(fields: Fields | None) -> Interconnect | None:
    if fields is None:
        return None
    fields.allow("rtt", "bandwidth", "provenance")
    return Interconnect(
        rtt_s=fields.need("rtt", parse_seconds),
        bandwidth_bytes_per_s=fields.need("bandwidth", positive(parse_bandwidth)),
        provenance=fields.get("provenance", member(Provenance), Provenance.CATALOGUE),
    )


def _links(root: Fields, known: set[NodeId]) -> tuple[Link, ...]:
    links: dict[tuple[NodeId, NodeId], Link] = {}
    for fields in root.children("links"):
        fields.allow(
            "between",
            "rtt",
            "bandwidth",
            "jitter",
            "loss",
            "medium",
            "exchange",
            "all_reduce",
            "observed_at",
            "provenance",
        )
        a, b = _ends(fields, known)
        forward, back = _bandwidths(fields)
        for src, dst, bandwidth in ((a, b, forward), (b, a, back)):
            if (src, dst) in links:
                raise fields.error("between", f"the link between {a} and {b} is given twice")
            links[src, dst] = Link(
                src=src,
                dst=dst,
                latency_s=fields.need("rtt", positive(parse_seconds)) / 2,
                bandwidth_bytes_per_s=bandwidth,
                jitter_s=fields.get("jitter", parse_seconds, 0.0),
                loss_ratio=fields.get("loss", parse_ratio, 0.0),
                medium=fields.get("medium", text, None),
                exchange=_curve(fields, "exchange"),
                all_reduce=_curve(fields, "all_reduce"),
                provenance=fields.get("provenance", member(Provenance), Provenance.CATALOGUE),
                observed_at=fields.get("observed_at", text, None),
            )
    return tuple(links.values())


def _ends(fields: Fields, known: set[NodeId]) -> tuple[NodeId, NodeId]:
    names = fields.need("between", list_of(text))
    if len(names) != 2:  # noqa: PLR2004 - a link has two ends
        raise fields.error("between", "names two PCs, such as ['desk', 'laptop']")
    for name in names:
        if name not in known:
            close = get_close_matches(name[:80], known, n=1, cutoff=0.4)
            hint = (
                f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"
            )
            raise fields.error("between", f"there is no PC {shown(name)}{hint}")
    if names[0] == names[1]:
        raise fields.error("between", f"a link from {names[0]!r} to itself")
    return NodeId(names[0]), NodeId(names[1])


def _bandwidths(fields: Fields) -> tuple[float, float]:
    if not isinstance(fields.table.get("bandwidth"), dict):
        both = fields.need("bandwidth", positive(parse_bandwidth))
        return both, both
    ways = fields.child("bandwidth")
    assert ways is not None
    ways.allow("forward", "back")
    return ways.need("forward", positive(parse_bandwidth)), ways.need(
        "back", positive(parse_bandwidth)
    )


def _curve(fields: Fields, key: str) -> Curve:
    table = fields.child(key)
    if table is None:
        return ()
    points: dict[int, float] = {}
    for size in table.table:
        try:
            message_bytes = positive(parse_bytes)(size)
        except UnitError as error:
            raise table.error(size, str(error)) from error
        points[message_bytes] = table.need(size, positive(parse_seconds))
    return tuple(sorted(points.items()))
