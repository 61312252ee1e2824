"""Messages on Kafka: one file per topic, typed, versioned, JSON on the wire (design §3)."""
