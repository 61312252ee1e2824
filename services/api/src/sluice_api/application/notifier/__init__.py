"""The notifier: from Kafka to the callbacks of app servers."""
