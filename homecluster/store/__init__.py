"""Files: documents, catalogues, state."""
