"""Broker, Kafka, MongoDB."""
