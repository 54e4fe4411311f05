"""A Diagnosis as the diagnose document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from homecluster.domain.diagnosis import Diagnosis
from homecluster.domain.signs import Signs
from homecluster.store.plan_document import plan_table
from homecluster.store.typed_table import write_table

SCHEMA: Final = "homecluster.diagnose/1"


def diagnosis_document(diagnosis: Diagnosis, signs: Signs | None = None) -> dict[str, Any]:
    """Causes most important first; `judged` is the plan they are about, `unseen` who told nothing and why,
    `gaps` what nobody measured. `healthy` is false where nothing was looked at.
    """
    return {
        "schema": SCHEMA,
        "healthy": diagnosis.healthy,
        "judged": plan_table(diagnosis.judged) if diagnosis.judged else None,
        "gaps": list(diagnosis.gaps),
        "causes": [asdict(cause) for cause in diagnosis.causes],
        "job": write_table(signs.job) if signs and signs.job else None,
        "unseen": [
            {"node": node, "reason": reason} for node, reason in (signs.unseen if signs else ())
        ],
    }
