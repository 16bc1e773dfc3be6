"""Training: objectives, the loop, and a state that resumes exactly."""
