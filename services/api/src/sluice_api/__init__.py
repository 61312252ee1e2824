"""HTTP API with its workers: relay, projector, notifier."""
