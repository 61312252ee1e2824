"""The product models of the demo's devices."""

MANUFACTURER = "Sluice"
MODEL, MODEL_WITHOUT_UPGRADE = "SimulatedMeter", "SimulatedMeterWithoutUpgrade"
MQTT_MODEL, ONE_BASED_MODEL = "SimulatedGateway", "SimulatedGatewayFromOne"
UPGRADABLE = (MODEL, MQTT_MODEL, ONE_BASED_MODEL)
"""The models that packages are made for."""
