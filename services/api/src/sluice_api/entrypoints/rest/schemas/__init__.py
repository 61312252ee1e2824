"""What requests and responses of `/api/v1` look like: one module per resource."""
