"""Campaigns while services are killed and held."""
