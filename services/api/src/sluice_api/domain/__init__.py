"""Rules of sluice-api: pure, without I/O."""
