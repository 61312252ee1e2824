"""What can be started (`python -m sluice_mqtt.entrypoints.gateway`), and the HTTP that it speaks."""
