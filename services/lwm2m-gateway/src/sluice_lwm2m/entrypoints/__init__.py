"""Where sluice-lwm2m-gateway is entered: bytes in, messages out."""
