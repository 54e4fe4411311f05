"""homecluster: measure, plan, launch and explain language models on unlike home PCs."""

__version__ = "0.1.0"
