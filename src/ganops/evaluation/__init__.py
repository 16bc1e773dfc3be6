"""Measuring generators: pinned extractors, metrics with standard errors, comparisons. Knows nothing of training."""
