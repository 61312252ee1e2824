"""Campaigns of 500 devices on two of every service, to which something is done in their midst."""
