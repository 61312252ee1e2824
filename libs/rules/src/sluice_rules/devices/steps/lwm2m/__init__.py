"""The steps of LwM2M devices."""
