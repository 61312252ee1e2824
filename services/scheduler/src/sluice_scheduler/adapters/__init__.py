"""What sluice-scheduler talks to: Kafka, MongoDB, sockets."""
