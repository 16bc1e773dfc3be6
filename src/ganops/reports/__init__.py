"""Values in, files for a person out: grids, plots, pages."""
