"""What the notifier reads and writes in MongoDB."""
