"""CoAP server for LwM2M devices: registration, requests, image serving."""
