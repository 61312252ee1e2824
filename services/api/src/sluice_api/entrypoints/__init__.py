"""Where sluice-api is entered: bytes in, messages out."""
