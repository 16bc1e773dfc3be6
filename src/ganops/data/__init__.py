"""Images in: sources, the raw store, its manifest, the split and the prepared arrays."""
