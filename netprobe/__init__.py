"""netprobe: what a link between two PCs really does, per direction, in seconds."""

__version__ = "0.1.0"
