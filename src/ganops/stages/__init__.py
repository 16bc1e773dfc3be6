"""The pipeline's steps: one function each, files in, files and a value out; no vendor is known here."""
