"""The use cases of the gateway, over ports; leaves out sockets, Kafka and MongoDB."""
