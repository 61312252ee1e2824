"""What the relay reads and writes in MongoDB."""
