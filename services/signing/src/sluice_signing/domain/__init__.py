"""Rules of sluice-signing: pure, without I/O."""
