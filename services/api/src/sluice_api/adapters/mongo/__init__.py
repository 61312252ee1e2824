"""The collections of MongoDB, each behind its repository."""
