"""Simulated LwM2M and MQTT devices over real sockets, by the thousand."""
