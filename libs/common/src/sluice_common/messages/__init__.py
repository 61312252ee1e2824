"""Messages on Kafka: one file per topic, typed, versioned, JSON on the wire (`docs/architecture.md`, "Topics")."""
