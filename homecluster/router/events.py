"""Server-sent events as they pass through: only whole ones go on, and the last one says how it ended."""

from __future__ import annotations

import json
from typing import Final

STREAM_TYPE: Final = "text/event-stream"
LAST: Final = b"data: [DONE]"
MAX_EVENT_BYTES: Final = 4 * 1024**2
"""vLLM's largest events carry log-probabilities; one that never ends is not one."""


def split_events(pending: bytes, chunk: bytes) -> tuple[bytes, bytes]:
    """(whole events, what is left) of `pending + chunk`: a copy may die in the middle of a line."""
    together = pending + chunk
    end = together.rfind(b"\n\n")
    return (b"", together) if end < 0 else (together[: end + 2], together[end + 2 :])


def is_last(events: bytes) -> bool:
    """Whether the stream said that it is complete."""
    return events.rstrip().endswith(LAST)


def broken_off(words: str) -> bytes:
    """What a client gets whose copy was lost in the middle of the answer; as vLLM ends its own errors."""
    return b"data: " + error_document(502, words) + b"\n\n" + LAST + b"\n\n"


def error_document(status: int, words: str) -> bytes:
    """An error as OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP
    error = {"message": words, "type": kind, "param": None, "code": status}
    return json.dumps({"error": error}).encode()
