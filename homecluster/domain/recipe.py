"""An experiment that one command repeats: what it does, what it needs, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from homecluster.domain.training import Train
from homecluster.domain.workload import Serve

Value = str | int | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """A program of `homecluster.jobs` inside the engine environment, which prints one JSON document."""

    module: str
    arguments: tuple[tuple[str, Value], ...]
    """(flag without its dashes, value); `true` stands for a bare flag."""

    def argv(self) -> tuple[str, ...]:
        words: list[str] = []
        for name, value in self.arguments:
            if value is not False:
                words.append(f"--{name}")
            if not isinstance(value, bool):
                words.append(str(value))
        return tuple(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """A plan from documents alone: for serving, or for training."""

    model: str
    cluster: str | None
    """A cluster document, relative to the recipe; None: this PC."""
    workload: Serve | Train
    what_if: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One experiment, as its file tells it: what it shows, what it takes, and what it runs."""

    name: str
    title: str
    about: str
    """What it shows, in a few sentences."""
    minutes: float
    downloads: str
    """`nothing`, or what and how much."""
    step: JobStep | PlanStep
    small: tuple[tuple[str, Value], ...] = ()
    """Arguments of a job at a size for tests and for a first look."""

    @property
    def needs_engine(self) -> bool:
        return isinstance(self.step, JobStep)

    def in_small(self) -> Recipe:
        """The same at its small size; a plan has only one."""
        if not isinstance(self.step, JobStep):
            return self
        arguments = tuple((dict(self.step.arguments) | dict(self.small)).items())
        return replace(self, step=replace(self.step, arguments=arguments))
