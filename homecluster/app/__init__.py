"""One use case per file; no terminal in here."""
