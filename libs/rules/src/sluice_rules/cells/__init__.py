"""The rules of one cell window."""
