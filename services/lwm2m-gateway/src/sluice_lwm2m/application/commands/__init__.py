"""Commands of the scheduler: read from their log, queued per device, sent, answered by an outcome."""
