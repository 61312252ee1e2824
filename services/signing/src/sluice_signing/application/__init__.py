"""What is done with packages, told as use cases over ports; leaves out Kafka, MongoDB and processes."""
