"""What of a model does not depend on its family."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.hardware import DType


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Known before the family's keys are read."""

    name: str
    architecture: str
    dtype: DType
