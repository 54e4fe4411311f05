"""Taking a cluster to another PC: the backup holds its key and its members, so it is as secret as both."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from homecluster.agent.folder import AgentFolder, make_folder
from homecluster.agent.identity import certify, key_sha256, own_key, read_key
from homecluster.app.secret_file import read_secret
from homecluster.domain.ids import NodeId
from homecluster.domain.member import Role
from homecluster.errors import InputError, MissingError
from homecluster.store.checked_file import MAX_STATE_BYTES
from homecluster.store.cluster_state import ClusterState, read_state, state_from, write_state
from homecluster.store.files import write_private

SCHEMA = "homecluster.cluster-backup/1"


def make_backup(home: Path, file: Path) -> ClusterState:
    """Write everything that another PC needs to become the coordinator, 0600.

    Raises:
        InputError: this PC is not the coordinator, or the file exists.
    """
    folder = AgentFolder(home=home)
    state = read_state(folder.state)
    if state is None or not state.is_coordinator:
        raise InputError(
            "a backup is made on the coordinator", hint="homecluster nodes says which PC that is."
        )
    if file.exists():
        raise InputError(f"{file} exists already")
    document = {
        "schema": SCHEMA,
        "state": {"schema": "homecluster.cluster-state/1"} | asdict(replace(state, tokens=())),
        "cluster_key": folder.cluster_key.read_text(),
        "cluster_certificate": folder.cluster_certificate.read_text(),
    }
    write_private(file, (json.dumps(document, indent=1) + "\n").encode())
    return state


def take_over(
    home: Path, file: Path, *, name: str, interface: str | None, port: int
) -> ClusterState:
    """This PC as the coordinator of the backup's cluster; members find it and refuse the earlier one.

    A PC that is a member of that cluster keeps its name; the earlier coordinator is a member no more
    and joins anew.

    Raises:
        InputError: the file is no backup, or this PC is in another cluster.
    """
    document = _document(file)
    before = state_from(document["state"], str(file))
    folder = AgentFolder(home=home)
    make_folder(folder)
    if read_state(folder.state) is not None:
        raise InputError(
            "this PC is in a cluster; leave it first", hint="homecluster leave --force"
        )
    key = own_key(folder.node_key)
    own = key_sha256(key.public_key())
    known = next((pin for pin in before.pins if pin.key_sha256 == own), None)
    state = _succeeding(before, known.node if known else NodeId(name), own, interface, port)
    write_private(folder.cluster_key, str(document["cluster_key"]).encode())
    cluster_key = read_key(folder.cluster_key)
    if key_sha256(cluster_key.public_key()) != before.cluster_key_sha256:
        raise InputError(f"{file} is damaged: its key is not the cluster's")
    certificate = str(document["cluster_certificate"]).encode()
    write_private(folder.cluster_certificate, certificate)
    issued = certify(
        cluster_key,
        certificate,
        key.public_key(),
        cluster_id=state.cluster_id,
        node=state.node,
        is_coordinator=True,
    )
    write_private(folder.node_certificate, issued)
    write_state(folder.state, state)
    return state


def _succeeding(
    before: ClusterState, node: NodeId, own_sha256: str, interface: str | None, port: int
) -> ClusterState:
    """The coordinator's state after `before`, one epoch later; open tokens end with the earlier one."""
    return replace(
        before,
        node=node,
        role=Role.OPERATOR,
        is_coordinator=True,
        epoch=before.epoch + 1,
        interface=interface,
        port=port,
        addresses=(),
        pins=tuple(pin for pin in before.pins if pin.key_sha256 != own_sha256 and pin.node != node),
        tokens=(),
    )


def _document(file: Path) -> dict[str, object]:
    try:
        document = json.loads(read_secret(file, "backup", MAX_STATE_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is no backup of a cluster") from error
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{file} is no backup of a cluster")
    if not {"state", "cluster_key", "cluster_certificate"} <= document.keys():
        raise MissingError(f"{file} is damaged")
    return document
