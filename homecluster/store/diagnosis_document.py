"""A Diagnosis as the diagnose document."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from homecluster.domain.diagnosis import Diagnosis
from homecluster.store.plan_document import plan_table

SCHEMA: Final = "homecluster.diagnose/1"


def diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Causes most important first; `judged` is the plan they are about."""
    return {
        "schema": SCHEMA,
        "healthy": diagnosis.healthy,
        "judged": plan_table(diagnosis.judged) if diagnosis.judged else None,
        "causes": [asdict(cause) for cause in diagnosis.causes],
    }
