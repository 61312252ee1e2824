"""A release on a real cluster."""
