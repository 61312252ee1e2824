"""The MQTT gateway: log-in, presence, firmware messages and downloads of MQTT devices."""
