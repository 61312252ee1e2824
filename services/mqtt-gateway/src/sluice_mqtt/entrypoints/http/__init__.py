"""The HTTP servers of the gateway: downloads for devices, hooks for the broker."""
