"""What can be started: the offline tool, its window, the verification service and its verifying process."""
