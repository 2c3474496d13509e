"""The mutations, one a file."""
