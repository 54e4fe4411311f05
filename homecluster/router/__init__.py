"""One OpenAI-compatible address in front of several whole copies of a model."""
