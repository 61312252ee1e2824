"""Rules of sluice-scheduler: pure, without I/O."""
