from __future__ import annotations

from tests.docs.reference import TARGET, plain_reference


def test_the_reference_says_what_help_says() -> None:
    assert TARGET.read_text() == plain_reference(), "python -m tests.docs.reference writes it anew"
