"""The best layout over a few devices, with proof."""
