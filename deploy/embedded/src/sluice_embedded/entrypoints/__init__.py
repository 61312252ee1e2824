"""What can be started: the command line and the background supervisor."""
