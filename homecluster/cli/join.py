"""`homecluster join`."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

import click

from homecluster import wiring
from homecluster.cli.aside import aside, progress
from homecluster.cli.output import print_document
from homecluster.errors import HomeclusterError, InputError, PeerError
from homecluster.store.cluster_state import ClusterState

SCHEMA = "homecluster.membership/1"
DEFAULT_PORT = 7433


@click.command()
@click.option("--new", "is_new", is_flag=True, help="Make a new cluster with this PC as its coordinator.")  # fmt: skip
@click.option("--name", metavar="N", help="This PC's name in the cluster (default: its host name).")
@click.option("--token-file", type=click.Path(path_type=Path), metavar="FILE", help="The join token; `-` reads it from standard input.")  # fmt: skip
@click.option("--address", metavar="HOST:PORT", help="Where the coordinator listens, if it is not found by itself.")  # fmt: skip
@click.option("--interface", metavar="IF", help="The network interface to use; a VPN only if it is named here.")  # fmt: skip
@click.option("--port", type=click.IntRange(1024, 65535), default=DEFAULT_PORT, show_default=True, help="With --new: where the coordinator listens.")  # fmt: skip
@click.option("--from-backup", type=click.Path(path_type=Path), metavar="FILE", help="With --new: take over the cluster of a backup made by `homecluster token --backup`.")  # fmt: skip
@click.option("--foreground/--background", default=False, help="Keep the agent in this terminal, or start it behind (default).")  # fmt: skip
@click.option("--yes", is_flag=True, help="Do not ask before trusting the cluster.")
@click.option("--json", "as_json", is_flag=True, help="Print one document.")
def join(
    *,
    is_new: bool,
    name: str | None,
    token_file: Path | None,
    address: str | None,
    interface: str | None,
    port: int,
    from_backup: Path | None,
    foreground: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Make this PC a member of a cluster, or start its agent again.

    The owner of the cluster can run code as your user on every PC that joins it.
    """
    from homecluster.app import join as use_case  # noqa: PLC0415 - cryptography is not needed for --help

    home = wiring.paths().home
    if is_new and token_file is not None:
        raise InputError(
            "--new makes a cluster and --token-file joins one: choose one of the two",
            hint="homecluster join --token-file FILE",
        )
    state = known = use_case.current_state(home)
    if state is not None and (is_new or token_file is not None):
        raise InputError(
            f"this PC is in the cluster of {state.name} already",
            hint="homecluster leave ends that.",
        )
    if state is None:
        state = _become_member(
            home,
            is_new=is_new,
            name=name,
            token_file=token_file,
            address=address,
            interface=interface,
            port=port,
            from_backup=from_backup,
            yes=yes,
        )
    if foreground:
        aside(f"agent of {state.node} in the cluster of {state.name}; Ctrl-C ends it")
        use_case.run_agent_here(home)
    use_case.start_agent(home)
    if known is not None and address is not None:
        _look_there(home, address)
    trouble = use_case.wait_until_connected(home)
    _tell(state, trouble, home, as_json=as_json)
    return 0 if trouble is None or state.is_coordinator else PeerError.exit_code


def _look_there(home: Path, address: str) -> None:
    """A member whose coordinator has moved is told where it is now."""
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - as above
    from homecluster.app.membership_choice import parse_address  # noqa: PLC0415 - as above

    LocalAgent(home).remember(*parse_address(address))


def _become_member(
    home: Path,
    *,
    is_new: bool,
    name: str | None,
    token_file: Path | None,
    address: str | None,
    interface: str | None,
    port: int,
    from_backup: Path | None,
    yes: bool,
) -> ClusterState:
    from homecluster.app import membership_choice as choice  # noqa: PLC0415 - as above

    own = choice.own_name(name)
    choice.check_interface(interface)
    if from_backup is not None:
        if not is_new:
            raise InputError(
                "--from-backup goes with --new", hint="homecluster join --new --from-backup FILE"
            )
        return choice.take_over(home, from_backup, name=own, interface=interface, port=port)
    if is_new:
        return choice.create(home, name=own, interface=interface, port=port)
    must_look = token_file is None and address is None
    if must_look:
        progress("looking for a cluster on this network …")
    found = choice.find_clusters(interface) if must_look else ()
    if must_look and not found:
        aside("no cluster was found on this network: making a new one")
        return choice.create(home, name=own, interface=interface, port=port)
    for one in found:
        where = ", ".join(f"{host} port {port}" for host, port in one.addresses)
        aside(f"found the cluster of {one.name} at {where}; its token decides")
    token = choice.read_token(token_file) if token_file else choice.typed_token(_ask_token)
    introduction = choice.introduced(token, address, interface)
    _confirm(choice.trust_text(introduction, getpass.getuser()), yes=yes)
    state = choice.join(home, token, introduction, name=own, interface=interface)
    if (changed := choice.changed_name(own, state.node)) is not None:
        aside(changed)
    return state


def _ask_token() -> str:
    if not sys.stdin.isatty():
        raise InputError(
            "a token is needed, and there is no terminal to ask on",
            hint="on a PC of the cluster: homecluster token; here: homecluster join --token-file FILE",
        )
    return str(click.prompt("token (homecluster token prints one)", hide_input=True, err=True))


def _confirm(text: str, *, yes: bool) -> None:
    """Show whom this PC is about to trust, and ask."""
    aside(text)
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            "joining needs a yes, and there is no terminal to ask on",
            hint="compare the fingerprint with the one of `homecluster nodes`, then add --yes",
        )
    if not click.confirm("Join?", err=True):
        raise HomeclusterError("not joined: nothing was changed")


def _tell(state: ClusterState, trouble: str | None, home: Path, *, as_json: bool) -> None:
    from homecluster.agent.local import LocalAgent  # noqa: PLC0415 - as above

    status = LocalAgent(home).status()
    if status.get("was_put_out"):
        raise PeerError(
            f"{status['trouble']} (it was that of {state.name})",
            hint="homecluster leave, then join again with a new token",
        )
    if as_json:
        print_document({**status, "schema": SCHEMA, "trouble": trouble})
        return
    place = f" at {status['address']} port {status['port']}" if status["address"] else ""
    if state.is_coordinator:
        click.echo(f"{state.node} is the coordinator of its cluster{place}")
        aside("  another PC joins with a token: homecluster token")
    else:
        click.echo(f"{state.node} is a member of the cluster of {state.name}")
    if trouble is not None:
        aside(f"warning: {trouble}")
    for line in _limits(state):
        aside(line)


def _limits(state: ClusterState) -> tuple[str, ...]:
    """What WSL2's networking mode keeps this PC from, and the steps that change it."""
    from homecluster.app.own_reach import limits_here  # noqa: PLC0415 - as above

    advice = limits_here(state.interface)
    if advice is None:
        return ()
    warning = ("warning: no other PC can reach this coordinator",) if state.is_coordinator else ()
    return (*warning, advice.summary, *(f"  {step}" for step in advice.steps))
