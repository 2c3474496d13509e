"""The HTTP face: GraphQL over HTTP, content links, health."""
