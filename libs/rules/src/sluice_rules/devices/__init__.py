"""The rules of one device's upgrade."""
