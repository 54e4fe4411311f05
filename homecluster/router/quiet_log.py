"""A log that strangers cannot fill: requests that are no HTTP are answered, and not written about."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


def quiet_about_bad_requests() -> None:
    """aiohttp logs a traceback for each, which anybody who reaches a port may send without end."""
    logging.getLogger("aiohttp.server").addFilter(_is_our_fault)


def _is_our_fault(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
