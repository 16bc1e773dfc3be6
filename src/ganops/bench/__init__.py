"""How fast training is, beside loops as others write them, in one process on the same networks and data."""
