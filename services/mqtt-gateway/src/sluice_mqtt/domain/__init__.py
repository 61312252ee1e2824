"""Rules of the MQTT gateway: no I/O, no clock."""
