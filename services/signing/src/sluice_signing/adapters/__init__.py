"""What sluice-signing talks to: Kafka, MongoDB, sockets."""
