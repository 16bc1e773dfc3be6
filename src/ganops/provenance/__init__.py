"""What makes a result explainable later: which code made it, and what was decided."""
