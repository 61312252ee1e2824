"""What sluice-api talks to: Kafka, MongoDB, sockets."""
