"""`python -m tests.lab HOME`: an emulated home at a contributor's shell, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import sys

from tests.lab.availability import lab_unavailable_reason
from tests.lab.change import add_arguments, change
from tests.lab.control import LabError
from tests.lab.homes import HOMES
from tests.lab.lab import Lab

_WRONG_INPUT = 2
_MISSING = 3
_INTERRUPTED = 130


def main() -> int:
    """The exit code: 0, the command's with --run, 2 wrong input, 3 not possible here."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["change"]:
            parser = argparse.ArgumentParser(prog="python -m tests.lab change")
            add_arguments(parser)
            change(parser.parse_args(arguments[1:]))
            return 0
        return _home(_parser().parse_args(arguments))
    except (LabError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return _WRONG_INPUT
    except KeyboardInterrupt:
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.lab", description=__doc__, epilog="See docs/contributing-lab.md."
    )
    parser.add_argument("home", nargs="?", help="a name of --list")
    parser.add_argument("--list", action="store_true", help="the homes and their figures")
    parser.add_argument("--hosts", type=int, default=3, help="how many (3)")
    parser.add_argument("--run", metavar="CMD", help="run one shell line in a host, then end")
    parser.add_argument("--on", default="a", metavar="HOST", help="where --run runs (a)")
    parser.add_argument(
        "--cpu", action="append", default=[], metavar="HOST=CORES", help="limit a host, as b=0.25"
    )
    parser.add_argument("--congestion-control", metavar="NAME", help="TCP's (cubic)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _home(options: argparse.Namespace) -> int:
    if options.list:
        return _print_list(options)
    if options.home is None:
        raise ValueError("name a home, or see --list")
    reason = lab_unavailable_reason()
    if reason:
        sys.stderr.write(f"error: {reason}\n")
        return _MISSING
    lab = Lab(
        options.home,
        hosts=options.hosts,
        cpu_cores=dict(_cpu_limit(each) for each in options.cpu),
        congestion_control=options.congestion_control,
    )
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with lab:
        if options.run:
            return _run(lab, options)
        _print_lab(lab, as_json=options.json)
        signal.pause()
    return 0


def _run(lab: Lab, options: argparse.Namespace) -> int:
    command = ["sh", "-c", options.run]
    if not options.json:
        return lab.host(options.on).popen(command).wait()
    done = lab.host(options.on).run(command, timeout=None)
    document = {"returncode": done.returncode, "stdout": done.stdout, "stderr": done.stderr}
    _write(json.dumps(document, indent=2))
    return done.returncode


def _cpu_limit(text: str) -> tuple[str, float]:
    host, _, cores = text.partition("=")
    try:
        return host, float(cores)
    except ValueError:
        raise ValueError(f"--cpu {text}: expected HOST=CORES, as b=0.25") from None


def _print_list(options: argparse.Namespace) -> int:
    homes = {name: make(options.hosts).summary for name, make in HOMES.items()}
    if options.json:
        _write(json.dumps(homes, indent=2))
    else:
        _write("\n".join(f"{name:12} {summary}" for name, summary in homes.items()))
    return 0


def _print_lab(lab: Lab, *, as_json: bool) -> None:
    if as_json:
        hosts = {
            name: {
                "address": host.address,
                "pid": host.pid,
                "home": str(host.home),
                "interfaces": _interfaces(lab, name),
                "shell_line": host.shell_line("bash"),
            }
            for name, host in lab.hosts.items()
        }
        home = {"name": lab.plan.name, "summary": lab.plan.summary}
        _write(json.dumps({"home": home, "folder": str(lab.folder), "hosts": hosts}, indent=2))
        return
    _write(f"{lab.plan.name}: {lab.plan.summary}\n")
    for name, host in lab.hosts.items():
        interfaces = ", ".join(f"{k} {v}" for k, v in _interfaces(lab, name).items())
        _write(f"{name}  {interfaces}\n  {host.shell_line('bash')}\n")
    _write("Replace bash by any command. Change a link from another terminal:")
    _write(f"  {sys.executable} -m tests.lab change a --delay-ms 50\nCtrl-C ends it all.")


def _interfaces(lab: Lab, host: str) -> dict[str, str]:
    return {each.name: each.address for each in lab.plan.interfaces if each.host == host}


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
