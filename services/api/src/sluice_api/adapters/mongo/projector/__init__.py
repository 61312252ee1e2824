"""What the projector reads and writes in MongoDB."""
