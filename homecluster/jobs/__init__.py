"""Code that runs inside the engine environment; nobody here imports it."""
