"""This machine as a Node."""
