"""The projector: from Kafka to the database."""
