"""Uploads through presigned URLs: bytes go from the client to an object store, and from there to the source."""
