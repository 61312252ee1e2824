"""Callbacks to app servers (R086, R151): what happened, how it is said, and when it is said again. No I/O."""
