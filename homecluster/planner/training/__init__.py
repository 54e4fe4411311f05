"""Training with DeepSpeed's ZeRO: memory, communication, step time, and whether several PCs pay."""
