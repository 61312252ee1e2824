"""Where sluice-scheduler is entered: bytes in, messages out."""
