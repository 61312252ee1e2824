"""Where sluice-mqtt-gateway is entered: bytes in, messages out."""
