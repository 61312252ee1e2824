"""Campaigns while the parts that Sluice stands on are away."""
