"""The requests that a write takes at a source, one file a kind where its adapter would grow too long."""
