"""Where sluice-signing is entered: bytes in, messages out."""
