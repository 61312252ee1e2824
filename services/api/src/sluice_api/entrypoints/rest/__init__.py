"""The REST interface: HTTP to calls and back."""
