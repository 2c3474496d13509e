"""A stateful stand-in for Arrhes "Stockage": files, folders and signed URLs, as `upstreams.md` section 2 says."""
