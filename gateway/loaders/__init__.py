"""DataLoaders that batch what one request asks of the sources."""
