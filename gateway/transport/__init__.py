"""HTTP to the upstreams: one client per source, with credentials, retries and limits."""
