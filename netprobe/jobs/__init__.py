"""Scripts that run inside the engine's own Python; nobody imports them."""
