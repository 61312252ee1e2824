"""A package of tests, so that what its `package` fixtures start ends with it."""
