"""The engine of the attachment gateway; knows no GraphQL."""
