"""The nouns: frozen values that describe PCs, links, models, workloads, layouts and what they cost."""
