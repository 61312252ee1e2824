"""What the API and its workers do, as use cases over ports; leaves out HTTP, MongoDB and Kafka."""
