"""Emulated home networks on one Linux machine, for tests and for contributors at a shell.

`from tests.lab.lab import Lab`; homes are in tests.lab.homes, skipping in tests.lab.availability.
Nothing is re-exported here: every command started in a host imports this package.
"""
