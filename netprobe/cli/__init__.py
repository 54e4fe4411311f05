"""The `netprobe` command line."""

from netprobe.cli.main import main

__all__ = ["main"]
