"""What holds a layout back: causes with figures, and remedies with their effect."""

from __future__ import annotations

from dataclasses import dataclass

from homecluster.domain.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    text: str
    argv: tuple[str, ...] = ()
    """The command that applies it, where one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One trouble; `id` is an entry of docs/diagnose.md."""

    id: str
    summary: str
    """One sentence with figures."""
    evidence: tuple[str, ...]
    effect_tokens_per_s: float
    """Gained by the remedy, predicted; 0 where the remedy gains time before the first token only."""
    remedy: Remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Causes, most important first; none when healthy."""

    judged: Plan | None
    """The layout that was judged; None when nothing can run."""
    causes: tuple[Cause, ...]
    gaps: tuple[str, ...] = ()
    """What nobody measured and so could not be judged, each with the command that measures it."""
    looked: bool = True
    """False: neither a plan was judged nor anything seen."""

    @property
    def healthy(self) -> bool:
        return self.looked and not self.causes
