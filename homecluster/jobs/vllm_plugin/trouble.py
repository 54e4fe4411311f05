"""What can go wrong between the ranks of an exchange."""

from __future__ import annotations


class ExchangeError(RuntimeError):
    """The ranks cannot go on; says which rank is missing or what came instead. Ends the engine."""
