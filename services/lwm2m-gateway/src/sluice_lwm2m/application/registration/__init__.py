"""Registrations: the interface that devices call, and how a registration begins, changes and ends."""
