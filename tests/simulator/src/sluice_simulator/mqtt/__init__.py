"""Simulated MQTT devices that speak Huawei's device protocol, with HTTP downloads, by the thousand in one process."""
