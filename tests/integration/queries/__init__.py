"""A test that the server answers every query of the product from an index."""
