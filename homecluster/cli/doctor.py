"""`homecluster doctor`."""

from __future__ import annotations

import os

import click

from homecluster import wiring
from homecluster.cli.output import print_document
from homecluster.domain.check import Mark

SOMETHING_FAILS = 1


@click.command()
@click.option("--fix", is_flag=True, help="Mend what is safe and homecluster's own.")
@click.option("--json", "as_json", is_flag=True, help="Print one doctor document.")
def doctor(*, fix: bool, as_json: bool) -> int:
    """Check this PC's installation: each line passes, warns or fails, with what to do.

    Exit code 1 when a line fails. --fix changes files and processes of homecluster only; what needs
    you, root or Windows stays a line to type.
    """
    from homecluster.app import doctor as use_case  # noqa: PLC0415 - inventory and NVML are heavy
    from homecluster.cli import render_doctor  # noqa: PLC0415 - rich is heavy too
    from homecluster.store.doctor_document import doctor_document  # noqa: PLC0415 - as above

    paths = wiring.paths()
    checks = use_case.examine(paths, os.environ)
    mended = use_case.mend(paths, checks) if fix else ()
    if mended:
        checks = use_case.examine(paths, os.environ)
    if as_json:
        print_document(doctor_document(checks, [(one.id, one.did) for one in mended]))
    else:
        render_doctor.show(checks, [(one.id, one.did) for one in mended])
    return SOMETHING_FAILS if use_case.worst(checks) is Mark.FAIL else 0
