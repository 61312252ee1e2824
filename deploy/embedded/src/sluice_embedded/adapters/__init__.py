"""Processes, ports, files, and the parts that are not ours."""
