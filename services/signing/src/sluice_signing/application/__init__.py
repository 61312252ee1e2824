"""What is done with packages: use cases over ports; leaves out Kafka, MongoDB and processes."""
