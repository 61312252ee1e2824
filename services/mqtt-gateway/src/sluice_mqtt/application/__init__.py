"""What the gateway does: use cases over ports; leaves out sockets, Kafka and MongoDB."""
