"""The dashboard, a page that a person looks at, and the same as one file."""
