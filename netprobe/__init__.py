"""netprobe: what a link between two PCs really does, per direction, in seconds."""
