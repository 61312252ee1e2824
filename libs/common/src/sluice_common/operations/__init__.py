"""What operators see of every process: metrics, whether it lives, whether it is ready."""
