"""Signs as a document: what was seen, so that it can be judged again elsewhere."""

from __future__ import annotations

from typing import Any, Final

from homecluster.domain.signs import Signs
from homecluster.errors import InputError
from homecluster.store.typed_table import ShapeError, read_table, write_table

SCHEMA: Final = "homecluster.signs/1"


def signs_document(signs: Signs) -> dict[str, Any]:
    """Everything that was seen, in base units."""
    return {"schema": SCHEMA, **write_table(signs)}


def read_signs(document: object, what: str) -> Signs:
    """What `signs_document` wrote, perhaps by an older or newer version.

    Raises:
        InputError: it is another document, or a value in it is not what its name says.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise InputError(f"{what} is not a {SCHEMA} document")
    try:
        return read_table(Signs, document, "signs")
    except ShapeError as error:
        raise InputError(f"{what} is damaged: {error}") from error
