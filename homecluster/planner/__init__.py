"""Verbs on the nouns: pure arithmetic on facts."""
