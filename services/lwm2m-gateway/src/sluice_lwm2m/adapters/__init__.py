"""What sluice-lwm2m-gateway talks to: Kafka, MongoDB, sockets."""
