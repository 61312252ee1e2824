"""The one place where the parts of the API and its workers are wired together: a module for each process."""
