"""What the gateway does, told as use cases over ports; leaves out sockets, Kafka and MongoDB."""
