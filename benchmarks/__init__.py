"""Speed and memory of what a user waits for. `make bench` prints the table; nothing here is a test."""
