"""Message types, topic registry, settings, repositories, bus and tokens that services share."""

__version__ = "0.1.0"
"""The version of Sluice, of all parts and of the image. The package files repeat it; the check compares them."""
