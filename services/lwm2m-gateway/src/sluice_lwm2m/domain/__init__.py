"""Rules of sluice-lwm2m-gateway: pure, without I/O."""
