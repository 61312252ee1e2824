"""The relay: from the database to Kafka."""
