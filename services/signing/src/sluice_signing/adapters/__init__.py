"""What sluice-signing talks to: files, the verifying process, Kafka, MongoDB."""
