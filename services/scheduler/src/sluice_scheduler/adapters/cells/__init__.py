"""The stage `cells` in Kafka transactions."""
