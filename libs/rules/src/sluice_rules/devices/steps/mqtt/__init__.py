"""The steps of MQTT devices that differ from LwM2M's (R091–R102); they speak `$ota` of Huawei's device protocol."""
