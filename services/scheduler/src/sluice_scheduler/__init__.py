"""Per-device upgrade rules and per-cell windows."""
