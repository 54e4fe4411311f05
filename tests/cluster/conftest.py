"""What tests of whole clusters share with those of one PC: the installed engine and the tiny model."""

from tests.live.conftest import engine, tiny_llama

__all__ = ["engine", "tiny_llama"]
