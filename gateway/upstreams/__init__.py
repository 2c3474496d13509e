"""The adapters, one file per kind of upstream."""
