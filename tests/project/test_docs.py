"""What the docs promise exists, and what exists is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from homecluster.cli.main import VERBS
from homecluster.domain.plan import VerdictKind

ROOT = Path(__file__).parents[2]
MARKDOWN = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_cause_has_its_entry() -> None:
    rules = "".join(file.read_text() for file in ROOT.glob("homecluster/planner/causes/*.py"))
    causes = set(re.findall(r'(?:id=|[^.]found\(\s*)"([a-z-]+)"', rules))

    documented = set(re.findall(r"^### ([a-z-]+)$", read("docs/diagnose.md"), flags=re.MULTILINE))

    assert causes == documented


def test_every_verdict_is_in_the_glossary() -> None:
    concepts = read("docs/concepts.md")

    assert [kind for kind in VerdictKind if f"`{kind}`" not in concepts] == []


def test_every_command_is_in_the_readme() -> None:
    readme = read("README.md")

    assert [verb for verb in VERBS if f"homecluster {verb}" not in readme] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_to_a_file_leads_nowhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#\s]+)\)", page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_test_command_is_what_ci_runs() -> None:
    assert "make test" in read(".ci/run")
    assert "make test" in read("README.md")
