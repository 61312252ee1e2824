"""Sluice's upgrade rules: pure functions over records, without I/O, clock or framework."""
