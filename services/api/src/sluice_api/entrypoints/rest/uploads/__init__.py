"""Requests whose body is read as it comes: packages and bulk registration."""
