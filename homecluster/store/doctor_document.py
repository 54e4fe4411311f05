"""The checks of `doctor` as a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from homecluster.domain.check import Check, Mark

SCHEMA: Final = "homecluster.doctor/1"


def doctor_document(checks: Sequence[Check], mended: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`ok` is whether nothing fails; a warning does not make it false."""
    return {
        "schema": SCHEMA,
        "ok": all(check.mark is not Mark.FAIL for check in checks),
        "checks": [asdict(check) for check in checks],
        "mended": [{"id": name, "did": did} for name, did in mended],
    }
