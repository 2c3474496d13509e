"""The GraphQL face of the gateway."""
