"""CoAP (RFC 7252, RFC 7959, RFC 6690) as pure functions and records."""
