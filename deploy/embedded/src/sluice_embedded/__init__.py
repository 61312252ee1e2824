"""Starts the real parts and all services on one machine."""
