"""Content formats of LwM2M: bytes to resource values and back."""
