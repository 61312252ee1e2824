"""Message types, topic registry, settings, repositories, bus and tokens that services share."""
